//! Judges what a terminal got of the numbered stream: every line in order and whole, none twice, and a gap
//! only where a repaint begins.

use crate::common::terminal::find;

/// How every repaint begins: CAN and ST, which end whatever sequence was cut off.
const REPAINT: &[u8] = b"\x18\x1b\\";
const APC: &[u8] = b"\x1b_";
const ST: &[u8] = b"\x1b\\";

/// Reads the terminal's bytes as they come.
#[derive(Default)]
pub struct Judge {
    pending: Vec<u8>,
    last: Option<u64>,
    repainted: bool,
    /// Lines seen as the agent wrote them.
    pub lines: u64,
    /// Repaints, those of the client's own emulator included.
    pub repaints: u64,
    /// Numbers missing, all at repaints.
    pub skipped: u64,
    /// Lines with something foreign in them or before them: a banner, or its removal.
    pub touched: u64,
    pub faults: Vec<String>,
}

impl Judge {
    pub fn last(&self) -> u64 {
        self.last.unwrap_or(0)
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        let mut all = std::mem::take(&mut self.pending);
        all.extend_from_slice(bytes);
        let mut rest: &[u8] = &all;
        loop {
            let mark = find(rest, APC);
            let before = &rest[..mark.unwrap_or(rest.len())];
            if let Some(at) = find(before, REPAINT) {
                self.repaints += 1;
                self.repainted = true;
                rest = &rest[at + REPAINT.len()..];
                continue;
            }
            let Some(mark) = mark else { break };
            let tail = &rest[mark + APC.len()..];
            let Some(length) = find(tail, ST) else { break };
            let text = String::from_utf8_lossy(&tail[..length]);
            match text.parse().ok().filter(|_| length == 10) {
                Some(number) => self.line(number, before),
                None => self.fault(format!("a torn mark: {text:?}")),
            }
            rest = &tail[length + ST.len()..];
        }
        self.pending = rest.to_vec();
    }

    fn line(&mut self, number: u64, before: &[u8]) {
        self.lines += 1;
        let repainted = std::mem::take(&mut self.repainted);
        if let Some(last) = self.last {
            if number <= last {
                self.fault(format!("line {number} after line {last}"));
            } else if number > last + 1 {
                self.skipped += number - last - 1;
                if !repainted {
                    self.fault(format!(
                        "line {number} after line {last}, and no repaint between"
                    ));
                }
            }
            // After a repaint the line may begin in the middle: its head was on the repainted screen.
            if !repainted {
                self.body(number, before);
            }
        }
        self.last = Some(number);
    }

    /// `before` is all that came since the mark of the line before.
    fn body(&mut self, number: u64, before: &[u8]) {
        let mut line = format!("\r\nL{number:010} {}", "abcdefghij".repeat(9)).into_bytes();
        line.truncate(2 + 98);
        if before == line {
            return;
        }
        self.touched += 1;
        // Foreign bytes may stand in a line, but every byte of the line is there, once and in order.
        let mut rest = line.iter().peekable();
        for b in before {
            rest.next_if(|want| *want == b);
        }
        if rest.peek().is_some() {
            let seen = String::from_utf8_lossy(before).escape_debug().to_string();
            self.fault(format!("line {number} is not whole: {seen}"));
        }
    }

    fn fault(&mut self, what: String) {
        if self.faults.len() < 20 {
            self.faults.push(what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: u64) -> Vec<u8> {
        let mut line = format!("L{n:010} {}", "abcdefghij".repeat(9)).into_bytes();
        line.truncate(98);
        line.extend_from_slice(format!("\x1b_{n:010}\x1b\\\r\n").as_bytes());
        line
    }

    #[test]
    fn accepts_order_and_gaps_at_repaints_only() {
        let mut judge = Judge::default();
        for part in [
            line(1),
            line(2),
            b"\x18\x1b\\\x1b[2Jhello".to_vec(),
            line(9),
        ] {
            for b in part {
                judge.feed(&[b]);
            }
        }
        assert!(judge.faults.is_empty(), "{:?}", judge.faults);
        assert_eq!((judge.lines, judge.repaints, judge.skipped), (3, 1, 6));
        judge.feed(&line(11));
        judge.feed(&line(11));
        assert_eq!(judge.faults.len(), 2, "{:?}", judge.faults);
    }

    #[test]
    fn a_banner_within_a_line_is_no_fault_and_a_lost_byte_is() {
        let mut judge = Judge::default();
        judge.feed(&line(1));
        let mut touched = line(2);
        touched.splice(30..30, b"\x1b7reconnecting\x1b8".iter().copied());
        judge.feed(&touched);
        assert!(judge.faults.is_empty(), "{:?}", judge.faults);
        assert_eq!(judge.touched, 1);
        let mut torn = line(3);
        torn.remove(40);
        judge.feed(&torn);
        assert_eq!(judge.faults.len(), 1);
    }
}

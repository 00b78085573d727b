//! A program's text made fit to be shown on one line: it is untrusted, and may try to look like ours.

const LONGEST: usize = 200;

/// `None` where nothing is left.
pub fn clean(text: &str) -> Option<String> {
    let mut out = String::new();
    for c in text.chars() {
        // Format characters turn text around or hide it; they are as unwelcome as controls.
        let hidden = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        let c = if hidden { ' ' } else { c };
        if c == ' ' && (out.is_empty() || out.ends_with(' ')) {
            continue;
        }
        if out.len() + c.len_utf8() > LONGEST {
            break;
        }
        out.push(c);
    }
    let out = out.trim_end();
    (!out.is_empty()).then(|| out.to_owned())
}

/// The question that a text ends with, where it does: its last sentence.
pub fn question(text: &str) -> Option<String> {
    let end = text.trim_end_matches(|c: char| c.is_whitespace() || "*_`\"')".contains(c));
    if !end.ends_with(['?', '？']) {
        return None;
    }
    let line = end.lines().last()?;
    // The sentence alone, where the line has more than one.
    let before = line.trim_end_matches(['?', '？']);
    let from = [". ", "! ", "? ", ": "]
        .iter()
        .filter_map(|mark| before.rfind(mark).map(|at| at + mark.len()))
        .max()
        .unwrap_or(0);
    clean(line.get(from..).unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_bounded_and_clean() {
        assert_eq!(clean("\u{202e}\x07\n"), None);
        assert!(clean(&"é".repeat(500)).is_some_and(|s| s.len() <= LONGEST));
        assert_eq!(
            clean("look\x1b[31m  here").as_deref(),
            Some("look [31m here")
        );
    }

    #[test]
    fn a_text_that_ends_with_a_question_asks_it() {
        assert_eq!(
            question("I looked. Shall I delete `a.rs`?\n").as_deref(),
            Some("Shall I delete `a.rs`?")
        );
        assert_eq!(question("Why?\nBecause.").as_deref(), None);
        assert_eq!(
            question("One.\n\n**Which one?**").as_deref(),
            Some("**Which one?")
        );
        assert_eq!(question(""), None);
        assert_eq!(question("?").as_deref(), Some("?"));
    }
}

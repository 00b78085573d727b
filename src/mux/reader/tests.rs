//! Tests of `reader`.

use super::super::history::{History, HistoryLimits};
use super::*;
use crate::model::Size;

const SIZE: Size = Size { cols: 80, rows: 24 };

fn output(dir: &Path, limits: HistoryLimits, lines: std::ops::Range<u32>) -> History {
    let mut history = History::open(dir, limits).expect("opens");
    for i in lines {
        let line = format!("line {i:06}\n");
        history.append(HistoryKind::Output, line.as_bytes(), u64::from(i), || {
            (SIZE, b"\x1b[2Jframe".to_vec())
        });
    }
    history
}

fn read(reader: &mut HistoryReader) -> (Vec<u8>, Vec<HistoryKind>) {
    let (mut bytes, mut kinds) = (Vec::new(), Vec::new());
    while let Some(record) = reader.next_record().expect("readable") {
        if record.kind == HistoryKind::Output {
            bytes.extend_from_slice(&record.bytes);
        } else {
            kinds.push(record.kind);
        }
    }
    (bytes, kinds)
}

#[test]
fn every_byte_comes_back_across_segments_restarts_and_seeks() {
    let dir = tempfile::tempdir().expect("a directory");
    let limits = HistoryLimits {
        segment: 4096,
        total: 1 << 20,
    };
    drop(output(dir.path(), limits, 0..500));
    let history = output(dir.path(), limits, 500..1000);
    let want: String = (0..1000).map(|i| format!("line {i:06}\n")).collect();
    assert_eq!(history.offset(), want.len() as u64);
    let mut reader = HistoryReader::open(dir.path()).expect("opens");
    let (bytes, kinds) = read(&mut reader);
    assert_eq!(String::from_utf8_lossy(&bytes), want);
    assert!(!kinds.contains(&HistoryKind::Keyframe));
    for from in [1, 11, 12, 5999, 6000, 11_999, 12_000, 99_999] {
        reader.seek(from as u64).expect("seeks");
        let (bytes, _) = read(&mut reader);
        assert_eq!(bytes, want.as_bytes().get(from..).unwrap_or_default());
    }
}

#[test]
fn the_oldest_is_dropped_and_reading_begins_with_a_keyframe() {
    let dir = tempfile::tempdir().expect("a directory");
    let limits = HistoryLimits {
        segment: 2048,
        total: 8192,
    };
    output(dir.path(), limits, 0..2000);
    let kept: u64 = segments(dir.path())
        .expect("lists")
        .iter()
        .map(|s| s.length)
        .sum();
    assert!(kept <= 8192 + 2048, "{kept}");
    let mut reader = HistoryReader::open(dir.path()).expect("opens");
    let (bytes, kinds) = read(&mut reader);
    assert!(kinds.contains(&HistoryKind::Keyframe));
    assert!(bytes.ends_with(b"line 001999\n") && bytes.len() < 8192);
}

#[test]
fn a_reader_follows_and_a_torn_tail_is_left_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut history = output(dir.path(), HistoryLimits::default(), 0..1);
    let mut reader = HistoryReader::open(dir.path()).expect("opens");
    assert_eq!(read(&mut reader).0, b"line 000000\n");
    history.append(HistoryKind::Output, b"more", 1, || (SIZE, Vec::new()));
    assert_eq!(read(&mut reader).0, b"more");
    drop(history);
    let path = segments(dir.path()).expect("lists")[0].path.clone();
    let whole = fs::metadata(&path).expect("there").len();
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|f| f.set_len(whole - 2))
        .expect("cut");
    let history = History::open(dir.path(), HistoryLimits::default()).expect("opens");
    assert_eq!(history.offset(), 12);
}

#[test]
fn a_damaged_end_does_not_number_bytes_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let limits = HistoryLimits::default();
    let offset = output(dir.path(), limits, 0..100).offset();
    let last = || segments(dir.path()).expect("lists").pop().expect("one");
    let damage = |bytes: &[u8]| {
        let mut whole = std::fs::read(last().path).expect("read");
        whole.extend_from_slice(bytes);
        std::fs::write(last().path, whole).expect("written");
    };
    // A record of zeros is an empty one of byte 0; one of ones is longer than any.
    for bytes in [[0; 64], [255; 64]] {
        damage(&bytes);
        assert_eq!(output(dir.path(), limits, 0..0).offset(), offset);
    }
    std::fs::write(last().path, [0; 64]).expect("written");
    assert!(History::open(dir.path(), limits).is_ok());
}

#[test]
fn a_damaged_segment_costs_what_is_in_it_and_says_so() {
    let limits = HistoryLimits {
        segment: 1 << 10,
        total: 1 << 20,
    };
    let whole: String = (0..400).map(|i| format!("line {i:06}\n")).collect();
    // Zeros after a power failure, a length that no record has, a byte that says another place, no head at all.
    for (what, at, bytes) in [
        ("zeros", 600, &[0; 200][..]),
        ("ones", 600, &[255; 200]),
        ("head", 0, b"something else"),
        ("all", 0, &[0; 5000]),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        drop(output(dir.path(), limits, 0..400));
        let list = segments(dir.path()).expect("lists");
        let (bad, next) = (&list[3], &list[4]);
        let mut file = std::fs::read(&bad.path).expect("read");
        for (i, byte) in bytes.iter().enumerate().take(file.len() - at) {
            file[at + i] = *byte;
        }
        std::fs::write(&bad.path, file).expect("written");
        let mut reader = HistoryReader::open(dir.path()).expect("opens");
        let (mut text, mut marks, mut keyframes) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(record) = reader.next_record().expect("readable") {
            match record.kind {
                HistoryKind::Output => text.extend_from_slice(&record.bytes),
                HistoryKind::Mark => marks.push(record),
                HistoryKind::Keyframe => keyframes.push(record.offset),
                HistoryKind::Size => {}
            }
        }
        let text = String::from_utf8(text).expect("lines");
        let from = usize::try_from(next.offset).expect("small");
        assert!(text.ends_with(&whole[from..]), "{what}");
        assert_eq!(keyframes, [next.offset], "{what}");
        let [mark] = &marks[..] else {
            panic!("{what}: {marks:?}");
        };
        let upto = usize::try_from(mark.offset).expect("small");
        assert!(upto >= usize::try_from(bad.offset).expect("small"));
        assert_eq!(
            text,
            format!("{}{}", &whole[..upto], &whole[from..]),
            "{what}"
        );
        let said = String::from_utf8_lossy(&mark.bytes).into_owned();
        assert!(
            said.starts_with(&format!("{} bytes of output", from - upto)),
            "{said}"
        );
        assert!(said.contains(bad.path.to_str().expect("a path")), "{said}");
    }
}

#[test]
fn damage_at_the_end_is_told_and_what_comes_later_is_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let limits = HistoryLimits::default();
    drop(output(dir.path(), limits, 0..10));
    let path = segments(dir.path()).expect("lists")[0].path.clone();
    let mut file = std::fs::read(&path).expect("read");
    file.extend_from_slice(&[255; 64]);
    std::fs::write(&path, file).expect("written");
    let mut reader = HistoryReader::open(dir.path()).expect("opens");
    let (bytes, kinds) = read(&mut reader);
    assert_eq!(bytes.len(), 120);
    assert_eq!(kinds, [HistoryKind::Size, HistoryKind::Mark]);
    drop(output(dir.path(), limits, 10..20));
    let (bytes, _) = read(&mut reader);
    assert!(bytes.starts_with(b"line 000010\n") && bytes.ends_with(b"line 000019\n"));
}

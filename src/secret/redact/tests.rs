//! Tests of the redactor.

use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

const SECRET: &str = "hunter2-Ko9x/Qz";

fn whole(redactor: &Redactor, text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    redactor.bytes(&mut bytes);
    bytes
}

fn streamed<'a>(redactor: &Redactor, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut stream = Stream::default();
    let mut out: Vec<u8> = parts
        .into_iter()
        .flat_map(|part| stream.push(redactor, part))
        .collect();
    out.extend(stream.finish());
    out
}

#[test]
fn a_value_is_replaced_at_its_length_and_nothing_else() {
    let redactor = Redactor::new([SECRET]);
    assert_eq!(
        redactor.text(&format!("a {SECRET} ü {SECRET}{SECRET}.")),
        format!("a {0} ü {0}{0}.", "*".repeat(SECRET.len()))
    );
    assert_eq!(redactor.text("hunter2-Ko9x"), "hunter2-Ko9x");
    assert!(Redactor::new(["short"]).is_idle());
}

#[test]
fn base64_of_it_is_found_wherever_in_a_text_it_stood() {
    let redactor = Redactor::new([SECRET]);
    for before in ["", "x", "xy", "xyz", "user:pass:"] {
        for engine in [&STANDARD as &dyn Encode, &URL_SAFE_NO_PAD] {
            let text = engine.of(format!("{before}{SECRET}:after").as_bytes());
            let redacted = redactor.text(&text);
            assert_eq!(redacted.len(), text.len());
            // At each end at most the character that has bits of a neighbour is left.
            let stars = redacted.matches('*').count();
            assert!(stars >= SECRET.len() * 8 / 6 - 1, "{text} {redacted}");
            let from = redacted.find('*').expect("stars");
            assert_eq!(redacted[from..].rfind('*'), Some(stars - 1), "{redacted}");
        }
    }
}

trait Encode {
    fn of(&self, bytes: &[u8]) -> String;
}

impl<E: Engine> Encode for E {
    fn of(&self, bytes: &[u8]) -> String {
        self.encode(bytes)
    }
}

#[test]
fn long_values_are_found_in_lines_of_their_base64_and_by_their_own_lines() {
    let random = |n: usize| -> String {
        let letter = |i: usize| char::from(b'a' + u8::try_from(i * i * 7 % 26).unwrap_or(0));
        (0..n).map(letter).collect()
    };
    let long = random(200);
    let redactor = Redactor::new([long.as_str()]);
    let encoded = STANDARD.encode(&long);
    let lines: Vec<&str> = encoded
        .as_bytes()
        .chunks(76)
        .map(|l| std::str::from_utf8(l).expect("text"))
        .collect();
    let redacted = redactor.text(&lines.join("\r\n"));
    // The last group has the padding.
    assert!(
        redacted[..redacted.len() - 4]
            .chars()
            .all(|c| "*\r\n".contains(c)),
        "{redacted}"
    );
    assert_eq!(redactor.text(&long), "*".repeat(200));

    let key = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\n-----END KEY-----\n";
    let shown = Redactor::new([key]).text("MIIEowIBAAKCAQEA\r\nrest");
    assert_eq!(shown, "****************\r\nrest");
}

#[test]
fn no_more_is_held_back_than_may_be_a_value() {
    let redactor = Redactor::new([SECRET]);
    let mut stream = Stream::default();
    assert_eq!(stream.push(&redactor, b"say hunt"), b"say ");
    assert_eq!(stream.held(), b"hunt");
    assert_eq!(stream.push(&redactor, b"ing"), b"hunting");
    assert!(stream.finish().is_empty());
    let long = "k".repeat(5000);
    let redactor = Redactor::new([long.as_str()]);
    let mut stream = Stream::default();
    let out = stream.push(&redactor, long.as_bytes());
    assert!(stream.held().len() < PART && out.iter().all(|b| *b == STAR));
}

proptest! {
    #[test]
    fn however_it_comes_the_result_is_the_same(
        words in prop::collection::vec("(ab|ba|hunter2-|Ko9x/Qz|aab|aHVudGVyMi1Lbzl4L1F6|h|\n|ü){1,4}", 1..12),
        cuts in prop::collection::vec(1_usize..9, 0..80),
        values in prop::collection::vec("(hunter2-Ko9x/Qz|(ab|aab|ba){3,5}|üüü[ab]{2,4})", 1..4),
    ) {
        let text = words.concat();
        let redactor = Redactor::new(values.iter().map(String::as_str));
        let expected = whole(&redactor, text.as_bytes());
        prop_assert_eq!(expected.len(), text.len());
        let mut parts = Vec::new();
        let mut rest = text.as_bytes();
        for cut in cuts {
            let (part, more) = rest.split_at(cut.min(rest.len()));
            parts.push(part);
            rest = more;
        }
        parts.push(rest);
        let got = streamed(&redactor, parts);
        prop_assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&expected));
        for value in &values {
            prop_assert!(!String::from_utf8_lossy(&got).contains(value.as_str()));
        }
    }
}

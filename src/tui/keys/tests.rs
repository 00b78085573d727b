//! Input in every encoding that terminals send it in.

use proptest::prelude::*;

use super::*;

fn all(input: &str) -> Vec<String> {
    let mut rest = input.as_bytes();
    let mut found = Vec::new();
    while let Some((len, what)) = next(rest) {
        found.push(match what {
            Input::Key(key) => key.to_string(),
            other => format!("{other:?}"),
        });
        rest = &rest[len..];
    }
    found
}

#[test]
fn the_same_key_is_the_same_in_every_encoding() {
    for input in [
        "\x02",
        "\x1b[98;5u",
        "\x1b[98:66;5u",
        "\x1b[27;5;98~",
        "\x1b[98;5:1u",
        "\x1b[98;133u",
    ] {
        assert_eq!(all(input), ["C-b"], "{input:?}");
    }
    for input in [
        "%",
        "\x1b[53;2u",
        "\x1b[53:37;2u",
        "\x1b[53;2;37u",
        "\x1b[27;2;37~",
    ] {
        assert_eq!(all(input), ["%"], "{input:?}");
    }
    assert_eq!(all("\x1b[A\x1bOA\x1b[1;1A\x1b[57419u"), ["Up"; 4]);
    assert_eq!(
        all("\x1b[1;5C\x1b[1;3D\x1b[1;2B"),
        ["C-Right", "M-Left", "S-Down"]
    );
    assert_eq!(all("\r\x1b[13u\x1bOM"), ["Enter"; 3]);
    assert_eq!(
        all("\x1b[15~\x1b[24~\x1bOP\x1b[5~\x1b[3;5~"),
        ["F5", "F12", "F1", "PageUp", "C-Delete"]
    );
    assert_eq!(all("\x1b[Z\x1b[9;2u"), ["S-Tab"; 2]);
}

#[test]
fn text_escapes_and_alt() {
    assert_eq!(all("aé漢🦀"), ["a", "é", "漢", "🦀"]);
    assert_eq!(all("\x1b"), ["Escape"]);
    assert_eq!(
        all("\x1bx\x1bé\x1b\x7f"),
        ["M-x", "M-é", "M-Backspace"].map(|s| s.replace("Backspace", "BSpace"))
    );
    assert_eq!(all("\x1b\x1b[A"), ["Escape", "Up"]);
    assert_eq!(all("\x1b[27u\x1b[27;1:3u"), ["Escape", "Nothing"]);
}

#[test]
fn pastes_focus_mouse_and_answers_are_no_keys() {
    assert_eq!(
        all("\x1b[200~x\x1b[201~\x1b[I\x1b[O"),
        ["PasteStart", "x", "PasteEnd", "Focus(true)", "Focus(false)"]
    );
    assert_eq!(
        all("\x1b[?62;22c\x1b]11;rgb:0/0/0\x1b\\\x1bP>|x\x1b\\\x1b[?0u"),
        ["Other"; 4]
    );
    let Some((9, Input::Mouse(mouse))) = next(b"\x1b[<0;3;4M") else {
        panic!("no mouse");
    };
    assert_eq!((mouse.x, mouse.y, mouse.press), (2, 3, true));
    assert_eq!(next(b"\x1b[<0;3"), None);
    assert_eq!(next("漢".as_bytes().get(..2).expect("two")), None);
}

proptest! {
    #[test]
    fn any_bytes_are_split_and_none_are_lost(input in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut rest = &input[..];
        while let Some((len, _)) = next(rest) {
            prop_assert!(len > 0 && len <= rest.len());
            rest = &rest[len..];
        }
    }
}

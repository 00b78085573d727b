//! Tests of `keys`.

use super::*;

fn keys(mut input: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some(token) = next(input) {
        keys.push(token.key);
        input = &input[token.len..];
    }
    keys
}

#[test]
fn the_same_key_is_found_in_every_encoding() {
    let tilde = Key::Char('~', false);
    for bytes in [
        "~",
        "\x1b[126u",
        "\x1b[96;2u",
        "\x1b[96:126;2u",
        "\x1b[96:126;2;126u",
        "\x1b[27;2;126~",
    ] {
        assert_eq!(keys(bytes.as_bytes()), [tilde], "{bytes:?}");
    }
    for bytes in ["\r", "\n", "\x1b[13u", "\x1b[13;1u", "\x1b[57414u"] {
        assert_eq!(
            keys(bytes.as_bytes()),
            [Key::Char('\r', false)],
            "{bytes:?}"
        );
    }
    for bytes in ["\x03", "\x1b[99;5u", "\x1b[27;5;99~", "\x1b[99;5:1u"] {
        assert_eq!(keys(bytes.as_bytes()), [Key::Char('c', true)], "{bytes:?}");
    }
    for bytes in ["\x1c", "\x1b[92;5u"] {
        assert_eq!(keys(bytes.as_bytes()), [Key::Char('\\', true)], "{bytes:?}");
    }
}

#[test]
fn releases_and_modifiers_are_nothing_and_the_rest_is_other() {
    assert_eq!(
        keys(b"\x1b[96;2:3u\x1b[57441;2u\x1b[1;1:3A"),
        [Key::Nothing; 3]
    );
    assert_eq!(
        keys(b"\x1b[A\x1b[1;5C\x1bOP"),
        [Key::Other, Key::Other, Key::Other, Key::Char('P', false)]
    );
    assert_eq!(keys(b"\x1b[200~a\x1b[201~")[0], Key::PasteStart);
    assert_eq!(keys("é".as_bytes()), [Key::Other, Key::Other]);
    assert!(next(b"\x1b[9").is_none() && next(b"").is_none());
}

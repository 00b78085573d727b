//! What other programs are given.

use super::*;
use crate::model::Size;
use crate::mux::Row;

#[test]
fn programs_are_the_persons_and_begin_where_one_is() {
    let env = |vars: &[(&str, &str)]| -> BTreeMap<String, String> {
        vars.iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    let row = |text: &str, wrapped| Row {
        bytes: text.as_bytes().to_vec(),
        wrapped,
    };
    let lines = vec![
        row("\x1b[31mone\x1b[m", false),
        row("tw", true),
        row("\x1b]8;id=1;http://x\x1b\\o\x1b]8;;\x1b\\", false),
        row("three", false),
    ];
    let copy = Copy::new(lines, Size { cols: 2, rows: 3 }, (0, 2));
    let run = |tool, vars: &[(&str, &str)]| {
        let (argv, path) = copy.export(tool, &env(vars)).expect("a file");
        let text = std::fs::read_to_string(&path).expect("it");
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(&path).expect("it").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
        let kept = path.to_path_buf();
        drop(path);
        assert!(!kept.exists());
        (argv[..argv.len() - 1].join(" "), text)
    };
    let (argv, text) = run(Tool::Editor, &[]);
    assert_eq!(
        (argv.as_str(), text.as_str()),
        ("vi +3", "one\ntwo\nthree\n")
    );
    assert_eq!(
        run(Tool::Editor, &[("EDITOR", "ed"), ("VISUAL", "code --wait")]).0,
        "code --wait"
    );
    assert_eq!(
        run(Tool::Editor, &[("EDITOR", "/usr/bin/nano"), ("VISUAL", "")]).0,
        "/usr/bin/nano +3"
    );
    let (argv, text) = run(Tool::Pager, &[]);
    assert_eq!(argv, "less -R +3");
    assert!(text.contains("31mon") && !text.contains("http"), "{text:?}");
    assert_eq!(run(Tool::Pager, &[("PAGER", "most")]).0, "most");
}

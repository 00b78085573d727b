//! Tests of `rules`.

use super::*;

fn view(lines: &[&str], cursor: (u16, u16)) -> View {
    View {
        lines: lines.iter().map(|l| l.trim_end().to_owned()).collect(),
        cursor,
        title: String::new(),
    }
}

#[test]
fn every_file_can_be_read_and_says_what_it_was_made_from() {
    for text in FILES {
        let rules: Rules = toml::from_str(text).expect("a file of rules");
        assert_eq!(rules.version, VERSION);
        assert!(rules.agent == "*" || !rules.recorded.is_empty());
        assert!(!rules.rule.is_empty());
    }
    assert_eq!(ALL.len(), FILES.len());
}

#[test]
fn an_agent_is_known_by_its_name_or_its_program() {
    let argv = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    assert_eq!(Book::of("sh", &argv(&["sh"])).0.len(), 1);
    assert_eq!(Book::of("claude", &[]).0.len(), 2);
    let behind_setup = argv(&["sh", "-c", "set -e\nexec \"$@\"", "sh", "/opt/bin/codex"]);
    assert_eq!(Book::of("reviewer", &behind_setup).0.len(), 2);
}

#[test]
fn any_programs_prompt_is_a_question_only_where_the_cursor_waits_behind_it() {
    let book = Book::of("apt", &[]);
    let ask = "Do you want to continue? [Y/n] ";
    let (seen, _) = book.read(&view(&["Need 3 MB", ask, ""], (1, 31)));
    let seen = seen.expect("a question");
    assert_eq!(
        (seen.state, seen.on),
        (Word::Blocked, Some(BlockedOn::Question))
    );
    assert_eq!(
        seen.message.as_deref(),
        Some("Do you want to continue? [Y/n]")
    );
    assert_eq!(book.read(&view(&[ask, "more"], (1, 4))).0, None);
    assert_eq!(book.read(&view(&[ask], (0, 3))).0, None);
    let (seen, _) = book.read(&view(&["[sudo] password for me:"], (0, 24)));
    assert_eq!(seen.and_then(|s| s.on), Some(BlockedOn::Auth));
    assert_eq!(
        book.read(&view(&["The password: is secret"], (0, 23))).0,
        None
    );
}

#[test]
fn the_part_that_asks_is_the_last_lines_where_no_rule_knows_better() {
    let lines: Vec<String> = (0..30).map(|n| format!("line {n}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let part = Book::default().part(&view(&lines, (0, 0)));
    assert_eq!(
        (part.lines.len(), part.lines[0].as_str()),
        (PART, "line 18")
    );
}

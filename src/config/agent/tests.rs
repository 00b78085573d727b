//! Tests of `agent`.

use super::*;

fn agent(command: &[&str]) -> AgentDef {
    AgentDef {
        command: command.iter().map(|w| (*w).to_owned()).collect(),
        autonomous: vec!["--yolo".to_owned()],
        ..AgentDef::default()
    }
}

#[test]
fn the_task_is_placed_or_appended() {
    let plain = agent(&["a", "-x"]);
    assert_eq!(plain.argv("do", Mode::Careful), ["a", "-x", "do"]);
    assert_eq!(
        plain.argv("do", Mode::Autonomous),
        ["a", "-x", "--yolo", "do"]
    );
    assert_eq!(plain.argv("--rf", Mode::Careful), ["a", "-x", "--", "--rf"]);
    assert_eq!(plain.argv("", Mode::Careful), ["a", "-x"]);
    let placed = agent(&["a", "--prompt={task}"]);
    assert_eq!(
        placed.argv("-x $y", Mode::Autonomous),
        ["a", "--prompt=-x $y", "--yolo"]
    );
    assert_eq!(placed.argv("", Mode::Careful), ["a"]);
}

#[test]
fn without_a_task_its_option_goes_too() {
    let shell = agent(&["sh", "-c", "{task}"]);
    assert_eq!(
        shell.argv("ls | wc", Mode::Careful),
        ["sh", "-c", "ls | wc"]
    );
    assert_eq!(shell.argv("", Mode::Careful), ["sh"]);
}

#[test]
fn the_modes_arguments_can_be_placed() {
    let placed = agent(&["npx", "a", "{mode}", "run", "{task}"]);
    assert_eq!(
        placed.argv("t", Mode::Autonomous),
        ["npx", "a", "--yolo", "run", "t"]
    );
    assert_eq!(placed.argv("t", Mode::Careful), ["npx", "a", "run", "t"]);
    assert!(placed.resume_argv(Mode::Careful).is_empty());
}

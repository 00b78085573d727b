//! Tests of `agents`.

use super::*;
use std::process::Command;

#[test]
fn setup_comes_first_and_leaves_arguments_alone() -> Result<()> {
    let argv = ["printf", "%s.", "a b", "$x"].map(str::to_owned).to_vec();
    let run = |setup: &[&str]| {
        let argv = behind(setup, argv.clone());
        let out = Command::new(&argv[0]).args(&argv[1..]).output();
        out.map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
    };
    assert_eq!(run(&["x=1; printf first."])?, "first.a b.$x.");
    assert_eq!(run(&["false"])?, "");
    Ok(())
}

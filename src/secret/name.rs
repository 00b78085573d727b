//! What a secret may be called, and what it may be.

use crate::error::{Error, Result};

/// The longest value: it is one variable of an environment.
pub const LONGEST: usize = 16 * 1024;
const LONGEST_NAME: usize = 100;

/// Checks that `name` can be a variable's, and one that means nothing to us or to the system's loader.
///
/// # Errors
/// It cannot.
pub fn check_name(name: &str) -> Result<()> {
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
    let sound = name.len() <= LONGEST_NAME
        && name.starts_with(starts)
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !sound {
        return Err(
            Error::user(format!("`{name}` cannot be a secret's name")).hint(format!(
                "it becomes a variable of the agent's environment: up to {LONGEST_NAME} letters, digits and `_`, \
                 such as GITHUB_TOKEN"
            )),
        );
    }
    let taken = ["REMOTE_", "LD_", "DYLD_", "GIT_CONFIG_"];
    let whole = [
        "PATH", "HOME", "USER", "SHELL", "TERM", "LANG", "IFS", "BASH_ENV", "ENV",
    ];
    if taken.iter().any(|t| name.starts_with(t)) || whole.contains(&name) {
        return Err(Error::user(format!(
            "`{name}` cannot be a secret's name: it has a meaning already"
        ))
        .hint("choose another, such as GITHUB_TOKEN"));
    }
    Ok(())
}

/// Checks that `value` can be an environment variable's.
///
/// # Errors
/// It cannot; the value itself is not shown.
pub fn check_value(name: &str, value: &str) -> Result<()> {
    let why = match value {
        "" => "is empty".to_owned(),
        v if v.contains('\0') => "holds a NUL byte, which no variable can".to_owned(),
        v if v.len() > LONGEST => {
            format!("has {} bytes; the most is {LONGEST}", v.len())
        }
        _ => return Ok(()),
    };
    Err(Error::user(format!("the value of {name} {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_variables_and_values_fit_one() {
        for good in ["GITHUB_TOKEN", "_x", "a1"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "1A",
            "A-B",
            "A B",
            "A=B",
            "PATH",
            "LD_PRELOAD",
            "REMOTE_X",
            "Ä",
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_value("A", "x").is_ok());
        for bad in ["", "a\0b", &"x".repeat(LONGEST + 1)] {
            let said = check_value("A", bad).expect_err("refused").to_string();
            assert!(!said.contains("xxx"), "{said}");
        }
    }
}

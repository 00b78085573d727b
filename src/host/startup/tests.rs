//! Tests of `startup`.

use super::*;

#[test]
fn the_last_setting_of_logind_counts() {
    assert!(!kills_user_processes("#KillUserProcesses=yes\n"));
    assert!(kills_user_processes(
        "KillUserProcesses=no\n KillUserProcesses=yes"
    ));
    assert!(!kills_user_processes(
        "KillUserProcesses=yes\nKillUserProcesses=no"
    ));
}

#[test]
fn a_directory_that_others_can_enter_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let uid = rustix::process::getuid().as_raw();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("set");
    assert!(own(dir.path(), uid).is_err());
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).expect("set");
    assert!(own(dir.path(), uid).is_ok());
    assert!(own(dir.path(), uid.wrapping_add(1)).is_err());
}

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

#[test]
fn where_somebody_else_was_first_another_place_is_found_and_kept() {
    use std::os::unix::fs::PermissionsExt;
    let temporary = tempfile::tempdir().expect("a directory");
    let uid = rustix::process::getuid().as_raw();
    let usual = temporary.path().join("remote-7/session-abc234");
    assert_eq!(away(&usual, None, uid).expect("free"), usual);
    // As another's would be: others may enter.
    let above = usual.parent().expect("above");
    fs::set_permissions(above, fs::Permissions::from_mode(0o777)).expect("set");
    let place = away(&usual, None, uid).expect("another place");
    assert_eq!(place.parent(), Some(temporary.path()));
    assert!(own(&place, uid).is_ok());
    assert_eq!(away(&usual, Some(&place), uid).expect("kept"), place);
    let third = away(&usual, Some(above), uid).expect("a third");
    assert!(third != place && own(&third, uid).is_ok());
    // A link or a file is no better than a directory of somebody else's.
    fs::remove_dir_all(above).expect("removed");
    std::os::unix::fs::symlink(&place, above).expect("a link");
    assert!(away(&usual, None, uid).is_ok_and(|p| p != usual));
    fs::remove_file(above).expect("removed");
    fs::write(above, "").expect("written");
    assert!(away(&usual, None, uid).is_ok_and(|p| p != usual));
}

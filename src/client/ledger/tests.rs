//! Tests of `ledger`.

use super::*;

#[test]
fn entries_come_back_and_damaged_ones_are_passed_over() -> Result<()> {
    let home = tempfile::tempdir()?;
    let paths = Paths::new(|v| (v == "HOME").then(|| home.path().into()))?;
    let ledger = Ledger::new(&paths);
    assert!(ledger.all().is_empty());
    let entry = Entry {
        released: false,
        id: "session-abc234".parse().context("id")?,
        name: Some("x".into()),
        provider: "ssh".into(),
        ssh: SshPlace {
            destination: "me@box".into(),
            dir: "/d".into(),
            socket: "/d/host.sock".into(),
            binary: "/b".into(),
            login: None,
        },
        last: None,
        last_seen: 5,
        lost: false,
        rented: None,
    };
    ledger.put(&entry)?;
    std::fs::write(paths.state.join("ledger/session-zzzzzz.json"), "{")?;
    assert_eq!(ledger.all(), std::slice::from_ref(&entry));
    ledger.remove(&entry.id)?;
    ledger.remove(&entry.id)?;
    assert!(ledger.all().is_empty());
    Ok(())
}

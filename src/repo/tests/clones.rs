//! Clones that lack something, and repositories that hold others.

use super::fixture::*;

#[tokio::test]
async fn shallow_partial_and_sparse_clones() {
    for kind in ["shallow", "partial", "sparse", "sparse-index", "shared"] {
        let origin = Fixture::new();
        for n in 0..4 {
            origin.write("a.txt", format!("{n}\n"));
            origin.write("wide/deep/x", format!("{n}\n"));
            origin.commit("more");
        }
        origin.git(&["config", "uploadpack.allowFilter", "true"]);
        let mut f = Fixture::empty();
        f.top = f.side.join("clone");
        let url = format!("file://{}", origin.top.display());
        let to = f.top.to_str().unwrap().to_owned();
        let flags: &[&str] = match kind {
            "shallow" => &["--depth=2"],
            "partial" => &["--filter=blob:none"],
            "shared" => &["--shared"],
            _ => &["--sparse"],
        };
        let url = if kind == "shared" {
            origin.top.to_str().unwrap()
        } else {
            &url
        };
        let args = [&["clone", "--quiet"], flags, &[url, &to]].concat();
        git_in(&f.side, &args);
        f.identify(&f.top);
        if kind == "sparse-index" {
            f.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "src"]);
        }
        if kind == "partial" {
            f.git(&["config", "protocol.file.allow", "always"]);
        }
        f.write("a.txt", "changed here\n");
        f.write("src/new.rs", "// new\n");
        let expected = f.tree_by_hand();
        let taken = f.snapshot().await;
        let tree = format!("{}^{{tree}}", taken.commit);
        assert_eq!(
            taken.git().text(["rev-parse", &tree]).await.unwrap(),
            expected,
            "{kind}"
        );
        assert_eq!(taken.repository.shallow, kind == "shallow");
        assert_eq!(taken.repository.partial, kind == "partial");
        assert_eq!(taken.repository.sparse, kind.starts_with("sparse"));
        let there = bring(&f, &taken, "abc234", &[1]).await;
        let arrived = git_in(&there.tree(1), &["rev-parse", "HEAD^{tree}"]);
        assert_eq!(String::from_utf8_lossy(&arrived).trim(), expected, "{kind}");
        assert_eq!(
            git_in(&there.tree(1), &["status", "--porcelain"]),
            b"",
            "{kind}"
        );
        git_in(there.store.dir(), &["fsck", "--connectivity-only"]);
    }
}

#[tokio::test]
async fn submodules_travel_with_what_is_changed_in_them_and_come_back() {
    let inner = Fixture::new();
    let middle = Fixture::new();
    middle.git(&[
        "submodule",
        "--quiet",
        "add",
        inner.top.to_str().unwrap(),
        "deep",
    ]);
    middle.commit("with a module");
    let f = Fixture::new();
    f.git(&[
        "submodule",
        "--quiet",
        "add",
        middle.top.to_str().unwrap(),
        "lib/mod",
    ]);
    f.git(&[
        "submodule",
        "--quiet",
        "add",
        inner.top.to_str().unwrap(),
        "absent",
    ]);
    f.commit("modules");
    f.git(&["submodule", "--quiet", "update", "--init", "--recursive"]);
    f.git(&["submodule", "--quiet", "deinit", "-f", "absent"]);
    f.write("lib/mod/a.txt", "changed in the module\n");
    f.write("lib/mod/deep/new.txt", "new in the module's module\n");
    for module in ["lib/mod", "lib/mod/deep"] {
        f.identify(&f.top.join(module));
    }
    let taken = f.snapshot().await;
    let modules = taken.all_modules();
    assert_eq!(modules.len(), 2);
    assert!(modules.iter().all(|(_, m)| m.dirty));
    let there = bring(&f, &taken, "abc234", &[1, 2]).await;
    for agent in [1, 2] {
        let dir = there.tree(agent);
        assert_eq!(git_in(&dir, &["status", "--porcelain"]), b"");
        assert_eq!(
            std::fs::read(dir.join("lib/mod/a.txt")).unwrap(),
            b"changed in the module\n"
        );
        assert_eq!(
            std::fs::read(dir.join("lib/mod/deep/new.txt")).unwrap(),
            b"new in the module's module\n"
        );
        assert!(
            std::fs::read_dir(dir.join("absent"))
                .unwrap()
                .next()
                .is_none()
        );
    }
    let dir = there.tree(2);
    std::fs::write(dir.join("lib/mod/deep/new.txt"), "by the agent\n").unwrap();
    git_in(
        &dir.join("lib/mod/deep"),
        &["commit", "--quiet", "-am", "agent's"],
    );
    let collected = there.collect().await;
    assert!(collected.warnings.is_empty(), "{:?}", collected.warnings);
    assert_eq!(collected.agents[0].modules, vec![]);
    let made = &collected.agents[1];
    assert!(made.wip.is_some() && made.modules.len() == 2, "{made:?}");
    let blob = format!("{}:new.txt", made.modules[1].2);
    let text = there
        .store
        .git()
        .text(["cat-file", "blob", &blob])
        .await
        .unwrap();
    assert_eq!(text, "by the agent");
}

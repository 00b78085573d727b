//! What cannot travel is refused with the reason and a remedy.

use super::fixture::*;
use crate::repo::*;

#[tokio::test]
async fn huge_untracked_files_are_named_with_the_remedy() {
    let f = Fixture::new();
    f.write("disk.img", vec![0; 5000]);
    f.write("small", "x");
    let limits = Limits {
        one_file: 4999,
        in_all: 1 << 40,
    };
    let options = Options {
        limits,
        ..f.options()
    };
    let said = f.refused(&options).await;
    assert!(
        said.contains("`disk.img` (5.0 kB)") && said.contains(".gitignore"),
        "{said}"
    );
    assert!(!said.contains("small"), "{said}");
    // What somebody has added was meant.
    f.git(&["add", "disk.img"]);
    snapshot(&f.repository().await, &options).await.unwrap();
}

#[tokio::test]
async fn nothing_committed_and_nothing_uncommitted_wanted() {
    let f = Fixture::empty();
    f.write("x", "x");
    let options = Options {
        dirty: false,
        ..f.options()
    };
    assert!(f.refused(&options).await.contains("no commit yet"));
}

#[tokio::test]
async fn a_filter_that_fails_is_named() {
    let f = Fixture::new();
    f.git(&["config", "filter.x.clean", "false"]);
    f.git(&["config", "filter.x.required", "true"]);
    f.git(&["config", "filter.x.smudge", "cat"]);
    f.write(".gitattributes", "*.bin filter=x\n");
    f.write("a.bin", "x");
    // A look at the status would run the filter as well, and not fail.
    let refused = snapshot(&f.repository().await, &f.options())
        .await
        .expect_err("a refusal");
    assert!(
        refused.to_string().contains("the filter of a.bin failed"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_partial_clone_whose_remote_is_gone_says_so() {
    let origin = Fixture::new();
    origin.write("a.txt", "two\n");
    origin.commit("second");
    origin.git(&["config", "uploadpack.allowFilter", "true"]);
    let mut f = Fixture::empty();
    f.top = f.side.join("clone");
    let url = format!("file://{}", origin.top.display());
    let args = [
        "clone",
        "--quiet",
        "--filter=blob:none",
        &url,
        f.top.to_str().unwrap(),
    ];
    git_in(&f.side, &args);
    f.identify(&f.top);
    f.git(&["remote", "set-url", "origin", "file:///nowhere/at/all"]);
    f.write("a.txt", "changed\n");
    let taken = f.snapshot().await;
    let open = Open {
        name: taken.repository.store_name(),
        format: "sha1".into(),
        workspace: None,
    };
    let (store, _) = Store::open(&f.side.join("repo"), &open).await.unwrap();
    let specs = transfer::push_refs(&taken, &session("abc234"))
        .await
        .unwrap();
    let url = store.dir().display().to_string();
    let refused = transfer::push(&taken, taken.git(), &url, &specs, &|_| {}).await;
    let refused = refused.expect_err("its first commit's files are nowhere");
    assert!(matches!(refused, RepoError::Missing(_)), "{refused:?}");
}

#[tokio::test]
async fn places_that_are_no_working_tree() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Repository::find(dir.path()).await.unwrap().is_none());
    let f = Fixture::new();
    let inside = Repository::find(&f.top.join(".git/refs")).await;
    assert!(matches!(inside, Err(RepoError::InsideGitDir(_))));
    f.git(&["update-ref", "refs/heads/remote", "HEAD"]);
    let named = transfer::check_names(&f.repository().await).await;
    assert!(matches!(named, Err(RepoError::InTheWay(name)) if name == "remote"));
}

#[tokio::test]
async fn a_checked_out_submodule_without_a_commit() {
    let inner = Fixture::new();
    let f = Fixture::new();
    f.git(&[
        "submodule",
        "--quiet",
        "add",
        inner.top.to_str().unwrap(),
        "m",
    ]);
    f.commit("a module");
    git_in(&f.top.join("m"), &["update-ref", "-d", "HEAD"]);
    // A look at the status would fail as well.
    let refused = snapshot(&f.repository().await, &f.options()).await;
    let refused = refused.expect_err("a refusal").to_string();
    assert!(
        refused.contains("the submodule m") && refused.contains("no commit"),
        "{refused}"
    );
}

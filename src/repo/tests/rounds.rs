//! There and back: agents' commits and leftovers, further sessions over one store, workspaces.

use super::fixture::*;
use crate::repo::base::Choice;
use crate::repo::*;

#[tokio::test]
async fn each_agent_has_a_tree_a_branch_ports_and_the_persons_name() {
    let f = Fixture::new();
    f.write("sub/dir/x", "x");
    f.write("a.txt", "changed\n");
    let mut repository = f.repository().await;
    repository.prefix = "sub/dir".into();
    let taken = snapshot(&repository, &f.options()).await.unwrap();
    let there = bring(&f, &taken, "abc234", &[1, 2, 3]).await;
    let agents = &there.begun.agents;
    let mut ports: Vec<_> = agents.iter().map(|a| a.env["PORT"].clone()).collect();
    ports.dedup();
    assert_eq!(ports.len(), 3);
    for agent in agents {
        assert_eq!(
            agent.branch,
            format!("remote/session-abc234/{}", agent.number)
        );
        assert!(agent.cwd.ends_with("top/sub/dir") && agent.cwd.join("x").exists());
        assert!(std::path::Path::new(&agent.env["TMPDIR"]).is_dir());
        let branch = git_in(&agent.cwd, &["symbolic-ref", "--short", "HEAD"]);
        assert_eq!(String::from_utf8_lossy(&branch).trim(), agent.branch);
        let who = git_in(&agent.cwd, &["config", "user.email"]);
        assert_eq!(String::from_utf8_lossy(&who).trim(), "author@example.com");
    }
    assert!(there.trees.join("3/top/a.txt").exists());
}

#[tokio::test]
async fn commits_and_leftovers_are_collected_without_touching_the_agents_index() {
    let f = Fixture::new();
    let taken = f.snapshot().await;
    let there = bring(&f, &taken, "abc234", &[1, 2]).await;
    let dir = there.tree(1);
    std::fs::write(dir.join("a.txt"), "by agent 1\n").unwrap();
    git_in(&dir, &["commit", "--quiet", "-am", "agent's work"]);
    std::fs::write(dir.join("a.txt"), "staged\n").unwrap();
    git_in(&dir, &["add", "a.txt"]);
    std::fs::write(dir.join("new"), "untracked\n").unwrap();
    let index = dir.join(git_path(&dir, "index"));
    let before = (
        std::fs::read(&index).unwrap(),
        git_in(&dir, &["status", "--porcelain=v2"]),
    );
    let collected = there.collect().await;
    let after = (
        std::fs::read(&index).unwrap(),
        git_in(&dir, &["status", "--porcelain=v2"]),
    );
    assert!(before == after, "the agent's index was touched");
    let [one, two] = &collected.agents[..] else {
        panic!("{collected:?}")
    };
    assert_eq!(
        (one.commits, one.pulled, two.commits, two.pulled),
        (1, false, 0, true)
    );
    let wip = one.wip.clone().expect("leftovers");
    let show = |what: &str| {
        let text = git_in(there.store.dir(), &["show", &format!("{wip}:{what}")]);
        String::from_utf8_lossy(&text).into_owned()
    };
    assert_eq!(
        (show("a.txt"), show("new")),
        ("staged\n".into(), "untracked\n".into())
    );
    // Once it is committed nothing is left over.
    git_in(&dir, &["add", "--all"]);
    git_in(&dir, &["commit", "--quiet", "-m", "the rest"]);
    assert_eq!(there.collect().await.agents[0].wip, None);
    // On a branch of its own making it is not on the one that it was given.
    git_in(&dir, &["checkout", "--quiet", "-b", "feature"]);
    git_in(
        &dir,
        &["commit", "--quiet", "--allow-empty", "-m", "elsewhere"],
    );
    let elsewhere = there.collect().await.agents[0]
        .wip
        .clone()
        .expect("its HEAD");
    let head = git_in(&dir, &["rev-parse", "HEAD"]);
    assert_eq!(elsewhere.as_str(), String::from_utf8_lossy(&head).trim());
}

fn git_path(dir: &std::path::Path, name: &str) -> std::path::PathBuf {
    let path = git_in(dir, &["rev-parse", "--git-path", name]);
    String::from_utf8_lossy(&path).trim().into()
}

#[tokio::test]
async fn results_come_back_whole_and_are_known_as_safe() {
    let f = Fixture::new();
    f.write("a.txt", "not committed here\n");
    let taken = f.snapshot().await;
    let there = bring(&f, &taken, "abc234", &[1]).await;
    let dir = there.tree(1);
    std::fs::write(dir.join("b.txt"), "by the agent\n").unwrap();
    git_in(&dir, &["add", "b.txt"]);
    git_in(&dir, &["commit", "--quiet", "-m", "agent's"]);
    std::fs::write(dir.join("c.txt"), "left\n").unwrap();
    let collected = there.collect().await;
    let results = &collected.agents[0];
    let url = there.store.dir().display().to_string();
    let wanted = results.refs(&collected.session);
    let specs: Vec<String> = wanted.keys().map(|r| format!("+{r}:{r}")).collect();
    let repository = f.repository().await;
    transfer::fetch(repository.git(), &url, &specs, &|_| {})
        .await
        .unwrap();
    for (name, commit) in &wanted {
        assert_eq!(&f.git(&["rev-parse", name]), commit.as_str());
    }
    let wip = results.wip.as_ref().expect("leftovers");
    let counted = count(&repository.git(), &results.start, &[&results.tip, wip])
        .await
        .unwrap();
    assert_eq!(counted, results.objects);
    let mut record = there.record.clone();
    let pulled = [(1, wanted)].into_iter().collect();
    mark_pulled(&there.store, &mut record, &pulled).unwrap();
    assert!(collect(&there.store, &record, None).await.unwrap().agents[0].pulled);
    std::fs::write(dir.join("c.txt"), "changed since\n").unwrap();
    assert!(!collect(&there.store, &record, None).await.unwrap().agents[0].pulled);
}

#[tokio::test]
async fn a_second_session_sends_only_what_is_new() {
    let f = Fixture::new();
    let noise: Vec<u8> = (0..400_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes())
        .collect();
    f.write("big.bin", &noise);
    f.commit("big");
    f.git(&["checkout", "--quiet", "--detach"]);
    let first = bring(&f, &f.snapshot().await, "abc234", &[1]).await;
    f.write("src/lib.rs", "// changed\n");
    let before = objects(first.store.dir());
    let second = bring(&f, &f.snapshot().await, "abc235", &[1]).await;
    assert_eq!(first.store.dir(), second.store.dir());
    // The commit, two trees, one file.
    assert_eq!(objects(first.store.dir()) - before, 4);
}

fn objects(store: &std::path::Path) -> usize {
    let list = git_in(store, &["cat-file", "--batch-all-objects", "--batch-check"]);
    list.iter().filter(|b| **b == b'\n').count()
}

#[tokio::test]
async fn a_workspaces_work_goes_on_unless_this_machine_is_ahead_or_wanted() {
    let f = Fixture::new();
    let yesterday = bring(&f, &f.snapshot().await, "abc234", &[1]).await;
    let dir = yesterday.tree(1);
    std::fs::write(dir.join("work"), "yesterday's\n").unwrap();
    git_in(&dir, &["add", "work"]);
    git_in(&dir, &["commit", "--quiet", "-m", "yesterday's"]);
    std::fs::write(dir.join("more"), "left over\n").unwrap();
    yesterday.collect().await;
    let today = async |tail: &str, choice| {
        let taken = f.snapshot().await;
        let url = yesterday.store.dir().display().to_string();
        let specs = transfer::push_refs(&taken, &session(tail)).await.unwrap();
        transfer::push(&taken, taken.git(), &url, &specs, &|_| {})
            .await
            .unwrap();
        let ask = Begin {
            session: session(tail),
            store: yesterday.store.dir().to_owned(),
            name: "top".into(),
            agents: vec![1],
            brought: Some(taken.commit.clone()),
            url: None,
            workspace: true,
            choice,
            prefix: "".into(),
            branch: None,
            origin: None,
            author: None,
            ignore: String::new(),
            modules: vec![],
            homes: false,
        };
        let begun = begin(&f.side.join("work").join(tail), &ask).await?;
        let dir = begun.agents[0].cwd.clone();
        let has = ["work", "more", "here"].map(|name| dir.join(name).exists());
        Ok::<_, RepoError>((has, begun.say))
    };
    let (has, say) = today("abc235", Choice::Ahead).await.unwrap();
    assert_eq!(has, [true, true, false]);
    assert!(say.expect("said").contains("goes on"));
    f.write("here", "meanwhile\n");
    let (has, say) = today("abc236", Choice::Ahead).await.unwrap();
    assert_eq!(has, [true, true, false]);
    assert!(say.expect("said").contains("--base laptop"));
    assert_eq!(
        today("abc237", Choice::Laptop).await.unwrap().0,
        [false, false, true]
    );
    assert_eq!(
        today("abc242", Choice::Merge).await.unwrap().0,
        [true, true, true]
    );
    f.write("work", "another\n");
    let refused = today("abc243", Choice::Merge)
        .await
        .expect_err("a conflict");
    assert!(
        matches!(&refused, RepoError::Conflict(files) if files == &["work"]),
        "{refused:?}"
    );
    assert!(!f.side.join("work/abc243/1").exists());
}

#[tokio::test]
async fn a_repository_is_cloned_there_by_its_address() {
    let f = Fixture::new();
    let open = Open {
        name: "x".into(),
        format: "sha1".into(),
        workspace: None,
    };
    let (store, known) = Store::open(&f.side.join("repo"), &open).await.unwrap();
    assert!(!known && Store::open(&f.side.join("repo"), &open).await.unwrap().1);
    let mut ask = Begin {
        session: session("abc234"),
        store: store.dir().to_owned(),
        name: "x".into(),
        agents: vec![1],
        brought: None,
        url: Some(format!("file://{}", f.top.display())),
        workspace: false,
        choice: Choice::Ahead,
        prefix: "".into(),
        branch: None,
        origin: None,
        author: None,
        ignore: "*.tmp\n".into(),
        modules: vec![],
        homes: false,
    };
    let begun = begin(&f.side.join("w"), &ask).await.unwrap();
    assert_eq!(begun.base.as_str(), f.git(&["rev-parse", "HEAD"]));
    assert_eq!(
        store.record(&ask.session).unwrap().branch.as_deref(),
        Some("main")
    );
    std::fs::write(begun.agents[0].cwd.join("x.tmp"), "ignored").unwrap();
    assert_eq!(
        git_in(&begun.agents[0].cwd, &["status", "--porcelain"]),
        b""
    );
    ask.session = session("abc235");
    ask.url = Some("file:///nowhere".into());
    let refused = begin(&f.side.join("v"), &ask)
        .await
        .expect_err("nothing there");
    assert!(matches!(refused, RepoError::Clone(..)), "{refused:?}");
}

#[tokio::test]
async fn a_directory_that_is_no_repository_travels_like_one() {
    let f = Fixture::empty();
    let plain = f.side.join("plain");
    for (name, text) in [
        ("x", "1"),
        ("d/y", "2"),
        (".gitignore", "z\n"),
        ("z", "stays"),
    ] {
        let path = plain.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let taken = plain_directory(&plain, &f.options()).await.unwrap();
    let there = bring(&f, &taken, "abc234", &[1]).await;
    assert_eq!(std::fs::read(there.tree(1).join("d/y")).unwrap(), b"2");
    assert!(!there.tree(1).join("z").exists());
    assert!(!plain.join(".git").exists());
}

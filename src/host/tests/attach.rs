//! Attached terminals: echo, coming back, several at a time, slow ones.

use super::*;
use crate::model::AgentState;
use crate::proto::{Notice, Resumed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_typed_comes_back_and_each_number_once() {
    let session = Session::start(vec![agent(1, &["cat"])], Ends::default()).await;
    let mut c = session.attach(attach(1, 1, SIZE, None)).await;
    assert_eq!(c.attached.resumed, Resumed::Repaint);
    c.type_in(1, b"hello\n").await;
    c.type_in(1, b"hello\n").await;
    c.type_in(2, b"bye\n").await;
    let count = |c: &Client, word: &str| String::from_utf8_lossy(&c.bytes).matches(word).count();
    c.until("the echo", |c| {
        count(c, "bye") == 2 && c.bytes.ends_with(b"\r\n")
    })
    .await;
    assert_eq!(count(&c, "hello"), 2);
    c.until("the acknowledgement", |c| c.acked == 2).await;
    assert_eq!(session.status().await.attached.len(), 1);
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answered_key_is_told_of_after_its_echo_to_who_asked() {
    let session = Session::start(vec![agent(1, &["cat"])], Ends::default()).await;
    let wanted = Attach {
        echoes: true,
        ..attach(1, 1, SIZE, None)
    };
    let mut c = session.attach(wanted.clone()).await;
    let mut other = session.attach(attach(1, 2, SIZE, None)).await;
    c.type_in(1, b"hello").await;
    c.until("the answer to 1", |c| c.echoed.is_some_and(|(n, _)| n == 1))
        .await;
    assert_eq!(c.echoed, Some((1, 5)));
    // Nothing is echoed, which is known all the same.
    c.type_in(2, b"\x16").await;
    c.type_in(3, b"\x16").await;
    c.until("the answer to 3", |c| c.echoed.is_some_and(|(n, _)| n == 3))
        .await;
    // Who comes back learns it of what went before.
    let resume = c.resume();
    drop(c);
    let wanted = Attach {
        resume: Some(resume),
        ..wanted
    };
    let mut c = session.attach(wanted).await;
    c.until("the answer to 3 again", |c| {
        c.echoed.is_some_and(|(n, _)| n == 3)
    })
    .await;
    other.type_in(1, b"x").await;
    other
        .until("the acknowledgement", |c| {
            c.acked == 1 && c.bytes.ends_with(b"x")
        })
        .await;
    other.send(ToHost::Ping(7)).await;
    other.until("an answer", |c| c.ponged == 7).await;
    assert_eq!(other.echoed, None);
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_absence_is_mended_by_bytes_and_a_long_one_by_a_repaint() {
    let script = "n=0; while read x; do n=$((n+1)); echo got $n $x; \
                  [ $x = flood ] && head -c 600000 /dev/zero | tr '\\0' z && echo; done";
    let session = Session::start(vec![sh(1, script)], Ends::default()).await;
    let mut c = session.attach(attach(1, 1, SIZE, None)).await;
    c.type_in(1, b"one\n").await;
    c.until_text("got 1 one").await;
    let resume = c.resume();
    // The connection is cut with input under way that is then sent again.
    c.type_in(2, b"two\n").await;
    drop(c);
    let mut c = session.attach(attach(1, 1, SIZE, Some(resume))).await;
    assert_eq!(c.attached.resumed, Resumed::Bytes);
    assert_eq!(c.attached.offset, resume.offset);
    c.type_in(2, b"two\n").await;
    c.type_in(3, b"three\n").await;
    c.until("three", |c| {
        String::from_utf8_lossy(&c.bytes).contains("got 3 three")
    })
    .await;
    let text = String::from_utf8_lossy(&c.bytes).into_owned();
    assert_eq!(text.matches("got 2 two").count(), 1, "{text}");
    let resume = c.resume();
    drop(c);
    let away = session.ask(Op::Send {
        agent: 1,
        text: "flood".into(),
        keys: vec![crate::proto::Key("Enter".into())],
    });
    assert_eq!(away.await, Outcome::Done);
    session
        .until("the flood", |s| s.agents[0].bytes > 600_000)
        .await;
    let mut c = session.attach(attach(1, 1, SIZE, Some(resume))).await;
    assert_eq!(c.attached.resumed, Resumed::Repaint);
    c.type_in(4, b"four\n").await;
    c.until_text("got 5 four").await;
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_stream_of_the_same_terminal_takes_over() {
    let session = Session::start(vec![agent(1, &["cat"])], Ends::default()).await;
    let mut old = session.attach(attach(1, 1, SIZE, None)).await;
    old.type_in(1, b"x\n").await;
    old.until("the echo", |c| c.bytes.ends_with(b"x\r\nx\r\n"))
        .await;
    let new = session.attach(attach(1, 1, SIZE, Some(old.resume()))).await;
    assert_eq!(
        (new.attached.resumed, new.attached.input),
        (Resumed::Bytes, 1)
    );
    soon("the old stream's end", async { while old.step().await {} }).await;
    assert!(old.notices.iter().any(|n| n.contains("attached again")));
    assert_eq!(session.status().await.attached.len(), 1);
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_size_follows_who_typed_last_and_others_are_drawn() {
    let session = Session::start(vec![agent(1, &["cat"])], Ends::default()).await;
    let small = Size { cols: 40, rows: 10 };
    let mut a = session.attach(attach(1, 1, SIZE, None)).await;
    let mut b = session.attach(attach(1, 2, small, None)).await;
    assert_eq!(
        (a.attached.view.form, b.attached.view.form),
        (Form::Raw, Form::Drawn)
    );
    a.type_in(1, b"from a\n").await;
    b.until_text("from a").await;
    b.type_in(1, b"from b\n").await;
    session
        .until("b's size", |s| s.agents[0].size == small)
        .await;
    a.until("a's view", |c| c.frames.iter().any(|f| f.0 == Form::Drawn))
        .await;
    let mut watching = attach(1, 3, Size { cols: 10, rows: 10 }, None);
    watching.read_only = true;
    let mut w = session.attach(watching).await;
    w.type_in(1, b"from w\n").await;
    w.until("not applied, but acknowledged", |c| c.acked == 1)
        .await;
    b.send(ToHost::Detach).await;
    session
        .until("a's size", |s| s.agents[0].size == SIZE)
        .await;
    a.type_in(2, b"end\n").await;
    a.until_text("end").await;
    assert!(!a.text().contains("from w"));
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_nothing_holds_nobody_up() {
    let script = "seq 1 400000; read x; echo heard $x; read y";
    let session = Session::start(vec![sh(1, script)], Ends::default()).await;
    let mut c = session.attach(attach(1, 1, SIZE, None)).await;
    c.credit = false;
    session
        .until("all its output", |s| s.agents[0].bytes > 2_600_000)
        .await;
    c.type_in(1, b"you\n").await;
    session
        .until("an answer", |s| s.agents[0].bytes > 2_600_000 + 20)
        .await;
    // It wakes up: what it missed is mended by a repaint.
    c.credit = true;
    c.until_text("heard you").await;
    assert!(
        c.frames.iter().filter(|f| f.0 == Form::Repaint).count() >= 2,
        "{:?}",
        c.frames
    );
    assert!(c.text().contains("400000"));
    assert!(c.bytes.len() < 2_000_000);
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_keeps_up_gets_every_byte_of_a_flood() {
    let script = "read x; seq 1 300000; read y";
    let session = Session::start(vec![sh(1, script)], Ends::default()).await;
    let mut c = session.attach(attach(1, 1, SIZE, None)).await;
    c.until("the first repaint", |c| !c.frames.is_empty()).await;
    c.type_in(1, b"\n").await;
    c.until("the flood", |c| c.text().contains("\n300000\n"))
        .await;
    // On a busy machine it may have been skipped ahead; what came is without a gap either way.
    if c.frames
        .iter()
        .filter(|f| f.0 == Form::Repaint && f.1 < f.2)
        .count()
        == 0
    {
        let want: String = (1..=300_000).map(|n| format!("{n}\r\n")).collect();
        assert!(c.bytes.ends_with(want.as_bytes()), "every byte came");
    }
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_line_of_four_megabytes_and_bytes_that_are_no_text_pass() {
    let script = "head -c 4000000 /dev/zero | tr '\\0' x; printf '\\377\\376\\n'; read x";
    let session = Session::start(vec![sh(1, script)], Ends::default()).await;
    session
        .until("the line", |s| s.agents[0].bytes == 4_000_004)
        .await;
    let tiny = Size { cols: 1, rows: 1 };
    let mut c = session.attach(attach(1, 1, tiny, None)).await;
    c.until("a repaint", |c| !c.frames.is_empty()).await;
    c.send(ToHost::Resize(Size {
        cols: 1000,
        rows: 500,
    }))
    .await;
    c.until("the new size", |c| c.screen.size().cols == 1000)
        .await;
    c.until("another repaint", |c| c.frames.len() > 1).await;
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_above_the_screen_come_first() {
    let session = Session::start(vec![sh(1, "seq 1 100; read x")], Ends::default()).await;
    session
        .until("its output", |s| s.agents[0].bytes > 300)
        .await;
    let mut with = attach(1, 1, SIZE, None);
    with.scrollback = 50;
    let mut c = session.attach(with).await;
    c.until("the screen", |c| {
        c.frames.iter().any(|f| f.0 == Form::Repaint)
    })
    .await;
    assert_eq!(c.frames[0].0, Form::Scrollback);
    assert!(c.text().contains("\n100"));
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_not_there_is_refused_for_good() {
    let session = Session::start(vec![agent(1, &["cat"])], Ends::default()).await;
    let mut conn = session.connect().await;
    let wanted = ToHost::Attach(attach(9, 1, SIZE, None));
    conn.sender.send(&wanted).await.expect("sent");
    let answer = soon("the refusal", conn.receiver.next()).await;
    let Ok(Some(ToClient::Notice(Notice { text, fatal: true }))) = answer else {
        panic!("{answer:?}");
    };
    assert!(text.contains("no agent 9"), "{text}");
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exit_status_reaches_the_client_after_all_output() {
    let session = Session::start(vec![sh(1, "read x; seq 1 50000; exit 7")], Ends::default()).await;
    let mut c = session.attach(attach(1, 1, SIZE, None)).await;
    c.until("the first repaint", |c| !c.frames.is_empty()).await;
    c.type_in(1, b"\n").await;
    c.until("its end", |c| c.ended.is_some()).await;
    let ended = c.ended.clone().expect("it ended");
    assert_eq!(ended.state, AgentState::Exited { code: 7 });
    assert!(ended.session_over, "it was the only one");
    assert!(c.text().contains("50000"));
    soon("the session's end", session.host)
        .await
        .expect("joined")
        .expect("ended well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_are_answered_by_the_host_and_reports_passed_on_with_the_agents_name() {
    // Asks for the cursor's place, shows what it is told, then says that it waits.
    let script = "stty raw -echo; printf 'ab\\033[6n'; a=$(dd bs=1 count=6 2>/dev/null | tr '\\033' E); \
                  printf 'told %s.' \"$a\"; printf '\\033]7501;state=blocked:kind=question\\033\\\\'; read x";
    let session = Session::start(vec![sh(1, script)], Ends::default()).await;
    let blocked = "blocked(question)";
    session
        .until(blocked, |s| s.agents[0].state.to_string() == blocked)
        .await;
    let mut with = attach(1, 1, SIZE, None);
    with.terminal.program_status = Some(true);
    let mut c = session.attach(with).await;
    c.until_text("told E[1;3R.").await;
    let id = format!("id={}/1", session.status().await.spec.id);
    c.until("the report", |c| {
        let text = String::from_utf8_lossy(&c.bytes).into_owned();
        text.contains("\x1b]7501;") && text.contains(&id) && text.contains("state=blocked")
    })
    .await;
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_reads_nothing_holds_up_only_the_input_of_who_types_to_it() {
    const BLOCK: &[u8] = &[b'x'; 16 * 1024];
    const BLOCKS: u64 = 268;
    let here = tempfile::tempdir().expect("a directory");
    let go = here.path().join("go");
    let script = format!(
        "stty raw -echo; echo ready; while [ ! -e {} ]; do sleep 0.02; done; head -c {} | wc -c",
        go.display(),
        BLOCKS * BLOCK.len() as u64
    );
    let session = Session::start(vec![sh(1, &script)], Ends::default()).await;
    let mut a = session.attach(attach(1, 1, SIZE, None)).await;
    let mut b = session.attach(attach(1, 2, SIZE, None)).await;
    let mut c = session.attach(attach(1, 3, SIZE, None)).await;
    a.until_text("ready").await;
    // All that waits by the agent (4 MiB), and nearly what a client may have under way.
    for number in 1..=264 {
        a.type_in(number, BLOCK).await;
    }
    a.ping(1).await;
    b.ping(1).await;
    // And more than that: only who sent it is not read any more.
    for number in 265..=BLOCKS {
        a.type_in(number, BLOCK).await;
    }
    b.type_in(1, b"!").await;
    b.ping(2).await;
    b.send(ToHost::Detach).await;
    session.until("the detach", |s| s.attached.len() == 2).await;
    c.ping(1).await;
    std::fs::write(&go, b"").expect("written");
    a.until("the acknowledgement", |a| a.acked == BLOCKS).await;
    let total = (BLOCKS * BLOCK.len() as u64).to_string();
    a.until("the count", |a| a.text().contains(&total)).await;
    session.terminate().await;
}

//! The link in virtual time: ten thousand faults, and the decisions that matter one by one.

use std::time::Duration;

use bytes::Bytes;

use super::sim::{S, World};
use super::*;
use crate::model::{Size, Terminal};
use crate::proto::{AttachmentId, Hello, Notice, PROTOCOL, ToClient, ToHost};

const MS: u64 = 1000;

/// Lives through `faults` random faults; returns a fingerprint of all that was done.
fn ordeal(seed: u64, faults: u32) -> (World, Stats) {
    let mut world = World::new(seed);
    for _ in 0..faults {
        let pause = 20 * MS + world.rng.below(3 * S);
        world.run_until(world.at + pause);
        // Most faults should find a connection to hurt.
        let patience = world.at + world.rng.below(20 * S);
        while !world.link.is_attached() && world.at < patience {
            world.run_until(world.at + 50 * MS);
        }
        let dice = world.rng.next();
        let (a, b) = (dice & 1 == 0, dice & 2 == 0);
        match dice >> 8 & 15 {
            0..=2 => world.cut(true, a),
            3 => world.cut(false, b),
            4 | 5 => {
                let long = if a { 15 * S } else { S };
                world.frozen_until = world.at + world.rng.below(long);
            }
            6 | 7 => world.latency = 100 + world.rng.below(if a { 600 * MS } else { 40 * MS }),
            8 => world.half_close(a, b),
            9 => {
                let long = if dice >> 16 & 31 == 0 {
                    3600 * S
                } else {
                    60 * S
                };
                let nap = world.rng.below(long);
                if a {
                    world.cut(false, b);
                }
                world.sleep(nap);
            }
            10 => world.stalled_until = world.at + world.rng.below(3 * S),
            11 => {
                world.down_until = world.at + world.rng.below(if b { 45 * S } else { 2 * S });
                world.cut(a, b);
            }
            12 => world.resize(),
            13 => world.break_host(),
            _ => {
                world.cut(true, true);
                world.latency = 100 + world.rng.below(5 * MS);
            }
        }
    }
    world.quiet = true;
    let end = world.at + 300 * S;
    while !world.settled() && world.at < end {
        world.run_until(world.at + 100 * MS);
    }
    assert!(world.settled(), "the world never came to rest");
    assert_eq!(
        world.applied, world.typed,
        "keys lost, twice or out of order"
    );
    let stats = world.link.stats();
    (world, stats)
}

#[test]
fn ten_thousand_faults_lose_nothing_and_double_nothing() {
    let (world, stats) = ordeal(20_261_122, 10_000);
    assert!(
        stats.by_bytes > 1000 && stats.by_repaint > 1000,
        "{stats:?}"
    );
    assert!(stats.gaps > 10 && world.skips > 10, "{stats:?}");
    assert!(world.confirms > 10 && world.declined > 0 && world.banners > 0);
    assert!(world.applied.len() > 20_000);
}

#[test]
fn the_same_seed_gives_the_same_life() {
    let (a, b) = (ordeal(5, 300).0, ordeal(5, 300).0);
    assert_eq!((a.trace, a.output_end), (b.trace, b.output_end));
    assert_ne!(a.trace, ordeal(6, 300).0.trace);
}

fn new_link() -> Link {
    let config = Config {
        agent: 2,
        attachment: AttachmentId([1; 16]),
        hello: hello(PROTOCOL.major),
        size: Size { cols: 80, rows: 24 },
        read_only: false,
        scrollback: 1000,
        terminal: Terminal::default(),
        echoes: false,
    };
    Link::new(config, 1)
}

fn hello(major: u16) -> Hello {
    let mut protocol = PROTOCOL;
    protocol.major = major;
    Hello {
        protocol,
        software: "other 9".into(),
        who: "me@there".into(),
    }
}

fn at(ms: u64) -> Now {
    Now {
        mono: Duration::from_millis(ms),
        wall: 1_000_000 + ms,
    }
}

fn step(link: &mut Link, event: Event, ms: u64) -> Vec<Effect> {
    let mut out = Vec::new();
    link.handle(event, at(ms), &mut out);
    out
}

#[test]
fn attaching_sends_hello_and_attach_together() {
    let mut link = new_link();
    assert!(matches!(
        step(&mut link, Event::Start, 0)[..],
        [Effect::Dial { refresh: false }]
    ));
    let sent = step(&mut link, Event::Dialed, 10);
    let [
        Effect::Send(ToHost::Hello(_)),
        Effect::Send(ToHost::Attach(attach)),
    ] = &sent[..]
    else {
        panic!("{sent:?}");
    };
    assert_eq!(
        (attach.agent, attach.scrollback, attach.resume),
        (2, 1000, None)
    );
}

#[test]
fn another_major_protocol_and_a_fatal_notice_close_for_good() {
    let notice = Notice {
        text: "attached from elsewhere".into(),
        fatal: true,
    };
    for frame in [
        ToClient::Hello(hello(PROTOCOL.major + 1)),
        ToClient::Notice(notice),
    ] {
        let mut link = new_link();
        step(&mut link, Event::Start, 0);
        step(&mut link, Event::Dialed, 1);
        let out = step(&mut link, Event::Frame(frame), 2);
        assert!(matches!(out[..], [Effect::Close(Reason::Refused { .. })]));
        assert!(link.is_closed() && step(&mut link, Event::Tick, 9).is_empty());
    }
}

#[test]
fn what_is_answered_is_known_once_the_host_says_it() {
    let mut link = new_link();
    link.config.echoes = true;
    step(&mut link, Event::Start, 0);
    step(&mut link, Event::Dialed, 1);
    // The minor version alone proves nothing.
    step(
        &mut link,
        Event::Frame(ToClient::Hello(hello(PROTOCOL.major))),
        2,
    );
    assert_eq!(link.typed(), None);
    step(&mut link, Event::Frame(ToClient::EchoAck(0)), 3);
    assert!(link.typed().is_some());
    step(&mut link, Event::Lost, 4);
    step(&mut link, Event::Tick, 1000);
    step(&mut link, Event::Dialed, 1001);
    step(
        &mut link,
        Event::Frame(ToClient::Hello(hello(PROTOCOL.major))),
        1002,
    );
    assert_eq!(link.typed(), None);
}

#[test]
fn a_dial_that_cannot_work_fails_at_once_and_others_within_the_first_limit() {
    let fail = |retry| {
        Event::DialFailed(Failure {
            retry,
            message: "no".into(),
        })
    };
    let mut link = new_link();
    step(&mut link, Event::Start, 0);
    let out = step(&mut link, fail(Retry::Never), 1);
    assert!(matches!(&out[..], [Effect::Close(Reason::Failed(why))] if why == "no"));

    let mut link = new_link();
    let mut ms = 0;
    step(&mut link, Event::Start, ms);
    while !link.is_closed() {
        step(&mut link, fail(Retry::Soon), ms);
        ms = link.timer().map_or(ms, |t| t.as_millis() as u64 + 1);
        step(&mut link, Event::Tick, ms);
        assert!(ms < 20_000);
    }
}

#[test]
fn offline_keys_wait_and_leaving_works_without_a_connection() {
    let mut link = new_link();
    step(&mut link, Event::Start, 0);
    assert!(step(&mut link, Event::Input(Bytes::from("ls")), 5).is_empty());
    assert_eq!(link.undelivered(), 2);
    let out = step(&mut link, Event::Leave, 6);
    assert!(matches!(
        out[..],
        [Effect::Abort, Effect::Close(Reason::Left)]
    ));
}

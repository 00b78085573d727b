//! `remote host run`: the life of a session's host, from its directory to its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::cpu::Cpu;
use super::ends::{self, Effect};
use super::hub::{Hub, Order};
use super::imds::{Imds, Notice};
use super::lock::{self, Lock};
use super::rented::Rented;
use super::server::{Access, accept, bind};
use super::startup::{self, Signals};
use super::teller::Teller;
use super::{
    agent, checks, embedded, environment, files, handed, leftovers, lent, logfile, push, strays,
    upgrade, volume, wrapup,
};
use crate::config::SessionDir;
use crate::error::{Context, Result};
use crate::model::{EndKind, Ended, HostEndpoint, NewsKind, SessionSpec, SessionStatus, now_ms};
use crate::provision::{Survives, write_whole};

/// Between two writes of last.json.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);
/// For agents to notice that they are over, and for clients to get the rest.
const LAST_OUTPUT: Duration = Duration::from_secs(8);
const STREAMS_END: Duration = Duration::from_secs(3);

/// How to run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Leave the terminal and session of whoever started us, and standard input and output once all is ready.
    pub detach: bool,
    /// Go on from this file, which an earlier binary of this very process left.
    pub handover: Option<PathBuf>,
    /// What a rented machine knows of itself ([`MACHINE_FILE`](crate::config::MACHINE_FILE)). Where it is there
    /// and we are root, agents run as a user of their own and the machine ends with its session.
    pub machine: Option<PathBuf>,
    /// A rented machine's metadata service ([`imds::ADDRESS`](super::imds::ADDRESS)), asked whether it is taken away.
    pub metadata: Option<String>,
}

struct Host {
    dir: SessionDir,
    hub: Arc<Hub>,
    lock: Lock,
    port: Option<u16>,
    orders: mpsc::Receiver<Order>,
    closing: watch::Sender<bool>,
    /// Ends when the last stream has ended.
    alive: mpsc::Receiver<()>,
    /// And the link among them.
    sockets: [PathBuf; 4],
    /// EC2 takes the machine away.
    notices: mpsc::Receiver<Notice>,
    /// The work volume is gone, and why.
    lost: mpsc::Receiver<String>,
    teller: Teller,
    /// An earlier binary of this process has told what is due now.
    upgraded: bool,
}

/// What made the main loop end.
struct End {
    ended: Ended,
    tell: Vec<oneshot::Sender<()>>,
}

/// Runs the host of the session in `dir` until the session ends.
///
/// # Errors
/// Another host runs there, the directory holds no session, or its sockets cannot be made.
pub async fn run(dir: SessionDir, options: RunOptions) -> Result<()> {
    let dir = SessionDir::new(std::path::absolute(dir.path()).context("the session's directory")?);
    if options.detach {
        startup::detach();
    }
    let handed = options.handover.as_deref().map(handed::read).transpose()?;
    let lock = match &handed {
        Some(state) => Lock::adopt(state.lock)?,
        None => Lock::take(&dir)?,
    };
    logfile::LogFile::open(&dir.log())
        .context("the host's log")?
        .install();
    let (host, mut signals) = start(dir, lock, handed, &options).await?;
    if options.detach {
        startup::silence();
    }
    host.live(&mut signals).await;
    Ok(())
}

async fn start(
    dir: SessionDir,
    lock: Lock,
    handed: Option<upgrade::State>,
    options: &RunOptions,
) -> Result<(Host, Signals)> {
    let spec: SessionSpec = files::read_json(&dir.spec())?;
    let last: Option<SessionStatus> = files::read_json(&dir.last()).ok();
    // Not of a session that somebody started there for themselves: the machine must not end with that.
    let machine = options
        .machine
        .as_deref()
        .filter(|_| spec.provider == "ec2");
    let rented = machine
        .map(|file| Rented::read(file, &spec.id))
        .transpose()?;
    let rented = rented.flatten();
    let (socket, agent_socket) = match &rented {
        Some(rented) => rented.sockets(&spec.id)?,
        None => startup::sockets(&dir)?,
    };
    let started = handed.as_ref().map_or_else(now_ms, |h| h.started);
    let upgraded = handed.is_some();
    // Also where it is damaged: what has run once is not run again unasked.
    let revived = !upgraded && dir.last().exists();
    let (provider, agents) = (spec.provider.clone(), spec.agents.clone());
    let env = match &rented {
        Some(rented) => rented.env(),
        None => environment::of_this_process(),
    };
    let (mut hub, orders) = Hub::new(
        spec,
        dir.clone(),
        agent_socket.clone(),
        env,
        started,
        revived,
    );
    let metadata = rented.as_ref().and(options.metadata.clone());
    hub.rented = rented;
    let hub = Arc::new(hub);
    let signals = Signals::new(&hub).context("the host's signals")?;
    let bound = |path: &PathBuf| bind(path).context(format!("no socket at {}", path.display()));
    let (owner, agents_own) = (bound(&socket)?, bound(&agent_socket)?);
    let lent_socket = environment::ssh_agent(&agent_socket);
    let lent = bound(&lent_socket)?;
    // Before any agent runs, whose hooks may want it at once.
    let link = startup::link_binary(&agent_socket);
    if let Some(rented) = &hub.rented {
        let given = rented.give(&socket, [&agent_socket, &lent_socket]);
        given.context("the sockets cannot be given to their users")?;
    }

    let old_port = handed.as_ref().and_then(|h| h.port);
    if let Some(last) = &last {
        hub.go_on(&last.news);
    }
    if let Some(rules) = handed.as_ref().and_then(|h| h.rules) {
        hub.take_rules(rules);
    }
    let mut handed = match handed {
        Some(state) => {
            hub.take_turns(state.turns);
            hub.adopt_secrets(state.secrets);
            state.agents
        }
        None => Vec::new(),
    };
    if upgraded {
        let known: Vec<u32> = handed.iter().filter_map(|h| h.pid).collect();
        tokio::spawn(strays::end(hub.clone(), strays::find(&known)));
    }
    let earlier = last.iter().flat_map(|l| &l.agents);
    earlier.for_each(|a| hub.recall_push(a));
    for spec in agents {
        let number = spec.number;
        match handed.iter().position(|h| h.number == number) {
            Some(at) => {
                if let Err(why) = agent::adopt(&hub, spec.clone(), handed.swap_remove(at)) {
                    hub.warn(format!("agent {number} was lost in an upgrade: {why}"));
                    agent::revive(&hub, spec, None);
                }
            }
            None if revived => {
                let old = last
                    .as_ref()
                    .and_then(|l| l.agents.iter().find(|a| a.number == number));
                agent::revive(&hub, spec, old);
            }
            None => agent::start(&hub, spec).await,
        }
    }

    let closing = watch::Sender::new(false);
    tokio::spawn(checks::attend(hub.clone(), closing.subscribe()));
    tokio::spawn(push::attend(hub.clone(), closing.subscribe()));
    let ssh = if provider == "local" {
        let started = embedded::start(&hub, &dir, socket.clone(), old_port, closing.subscribe());
        Some(started.await?)
    } else {
        if hub.rented.is_none()
            && let Some(danger) = startup::logout_danger()
        {
            hub.warn(danger);
        }
        None
    };
    let (count, alive) = mpsc::channel(1);
    for (listener, access) in [(owner, Access::Owner), (agents_own, Access::Agent(None))] {
        tokio::spawn(accept(
            listener,
            hub.clone(),
            access,
            closing.subscribe(),
            count.clone(),
        ));
    }
    let teller = Teller::start(&hub);
    let lost = volume::watch(&hub);
    tokio::spawn(lent::accept(lent, hub.clone(), closing.subscribe()));
    let port = ssh.as_ref().map(|s| s.port);
    let endpoint = HostEndpoint {
        pid: std::process::id(),
        port,
        host_key: ssh.as_ref().map(|s| s.host_key.clone()),
        user: ssh.map(|s| s.user),
        socket: socket.clone(),
        agent_socket: agent_socket.clone(),
        started,
        version: hub.version.to_owned(),
    };
    let written = files::write_json_often(&dir.last(), &hub.status(now_ms()))
        .and_then(|()| files::write_json_often(&dir.endpoint(), &endpoint));
    match written {
        // Agents run already, and the earlier binary's files still say where: no reason to end them.
        Err(e) if upgraded => hub.warn(format!("the session's files cannot be written: {e}")),
        written => written.context("the session's files")?,
    }
    if let Ok(binary) = std::env::current_exe() {
        let line = format!("{}\n", binary.display());
        let _ = write_whole(&dir.binary(), line.as_bytes(), Survives::Crash);
    }
    tracing::info!("{} is ready (remote {})", hub.id, hub.version);
    let host = Host {
        dir,
        hub,
        lock,
        port,
        orders,
        closing,
        alive,
        sockets: [socket, agent_socket, lent_socket, link],
        notices: watch_metadata(metadata),
        lost,
        teller,
        upgraded,
    };
    Ok((host, signals))
}

/// A task of its own: what else happens must neither hurry its questions nor wait for their answers.
fn watch_metadata(address: Option<String>) -> mpsc::Receiver<Notice> {
    let (tell, notices) = mpsc::channel(1);
    if let Some(address) = address {
        tokio::spawn(async move {
            let notice = Imds::new(address).interruption().await;
            let _ = tell.send(notice).await;
        });
    }
    notices
}

impl Host {
    async fn live(mut self, signals: &mut Signals) {
        let end = self.until_the_end(signals).await;
        self.wrap_up(end).await;
    }

    async fn until_the_end(&mut self, signals: &mut Signals) -> End {
        let mut watch = ends::Watch::default();
        let mut changes = self.hub.changes();
        let mut saved = Instant::now();
        // What has changed since the first status was written, before anybody watched, is in no news.
        let mut unsaved = true;
        let mut cpu = Cpu::new();
        loop {
            let now = now_ms();
            for effect in self.hub.judge(now, |facts| watch.due(facts)) {
                match effect {
                    Effect::Warn { text, news } => {
                        tracing::info!("{text}");
                        self.hub.notice(&text);
                        if news && !self.upgraded {
                            self.hub.say(NewsKind::Ending, &text);
                        }
                    }
                    Effect::End(ended) => {
                        return End {
                            ended,
                            tell: Vec::new(),
                        };
                    }
                }
            }
            self.upgraded = false;
            if unsaved && saved.elapsed() >= SAVE_INTERVAL {
                self.save();
                (saved, unsaved) = (Instant::now(), false);
            }
            let end = self.hub.judge(now, |facts| watch.next(facts)).map(|at| {
                // Long sleeps are cut, so that a clock that was set is noticed.
                let ms = at.saturating_sub(now).min(60_000);
                Instant::now() + Duration::from_millis(ms)
            });
            let wake = [
                end,
                unsaved.then(|| saved + SAVE_INTERVAL),
                cpu.next(&self.hub),
            ]
            .into_iter()
            .flatten()
            .min();
            tokio::select! {
                Ok(()) = changes.changed() => unsaved = true,
                Some(order) = self.orders.recv() => match order {
                    Order::Terminate { why, done } => return asked(why, done),
                    Order::Upgrade { path, version, done } => {
                        self.save();
                        let to = (path.as_str(), version.as_str());
                        upgrade::upgrade(&self.hub, &self.dir, &self.lock, self.port, to, done).await;
                    }
                },
                name = signals.asked_to_end() => {
                    return self.interrupted(format!("its host was told to end ({name})"));
                }
                Some(notice) = self.notices.recv() => {
                    let clean = |text: &str| super::state::clean(text).unwrap_or_default();
                    let (action, time) = (clean(&notice.action), clean(&notice.time));
                    return self.interrupted(format!("EC2 takes the machine back ({action} at {time})"));
                }
                Some(why) = self.lost.recv() => {
                    self.hub.warn(why.clone());
                    return self.interrupted(why);
                }
                () = sleep_until(wake) => cpu.look(&self.hub).await,
            }
        }
    }

    fn interrupted(&self, why: String) -> End {
        self.hub.say(NewsKind::Interrupted, &why);
        interrupted(why)
    }

    /// Writes what changed; what cannot be written is written the next time.
    fn save(&self) {
        if let Err(e) = self.hub.save_spec() {
            self.hub
                .warn(format!("session.json cannot be written: {e}"));
        }
        if let Err(e) = self.hub.save_events() {
            self.hub
                .warn(format!("events.jsonl cannot be written: {e}"));
        }
        let status = self.hub.status(now_ms());
        let written = if status.ended.is_some() {
            files::write_json(&self.dir.last(), &status)
        } else {
            files::write_json_often(&self.dir.last(), &status)
        };
        if let Err(e) = written {
            self.hub.warn(format!("last.json cannot be written: {e}"));
        }
    }

    /// Ends the agents and all they started, lets everybody have the rest, and leaves the directory readable.
    async fn wrap_up(mut self, mut end: End) {
        tracing::info!("{} ends: {}", self.hub.id, end.ended.why);
        self.hub.set_ending();
        if let Some(rented) = &self.hub.rented {
            rented.begins_to_end(&self.hub.id);
        }
        let targets = self.hub.all_targets();
        let mut ending = std::pin::pin!(wrapup::end(&self.hub, &targets, wrapup::GRACE));
        let left = loop {
            tokio::select! {
                left = &mut ending => break left,
                Some(order) = self.orders.recv() => end.also(order),
            }
        };
        if !left.is_empty() {
            self.hub
                .warn(format!("these processes could not be ended: {left:?}"));
        }
        let agents = self.hub.agents();
        let rest = async {
            let mut changes = self.hub.changes();
            while !self.hub.targets(None).is_empty() && changes.changed().await.is_ok() {}
            for agent in &agents {
                let _ = agent.send(agent::Command::Finish).await;
            }
            for agent in &agents {
                agent.closed().await;
            }
        };
        let _ = tokio::time::timeout(LAST_OUTPUT, rest).await;
        let left = leftovers::collect(&self.hub, None).await;
        self.hub.counted(&left.work);
        for warning in left.warnings {
            self.hub.warn(warning);
        }
        self.hub.end_checks();
        // Whoever kills us while we push leaves a record of all the rest.
        self.save();
        push::last(&self.hub).await;
        // What a push has left running. Their first processes are gone: such a number may be anybody's by now.
        let gone = |t: &wrapup::Target| wrapup::Target { pid: None, ..*t };
        let targets: Vec<_> = targets.iter().map(gone).collect();
        wrapup::end(&self.hub, &targets, Duration::ZERO).await;
        end.ended.at = now_ms();
        self.hub.say(NewsKind::Ended, &end.ended.why);
        self.hub.set_ended(end.ended);
        self.save();
        // Before whoever ended it may switch the machine off.
        tokio::join!(volume::settle(&self.hub), self.teller.finish());
        self.save();
        while let Ok(order) = self.orders.try_recv() {
            if let Order::Terminate { done, .. } = order {
                end.tell.push(done);
            }
        }
        for done in end.tell {
            let _ = done.send(());
        }
        self.orders.close();
        self.closing.send_replace(true);
        let _ = tokio::time::timeout(STREAMS_END, self.alive.recv()).await;
        let sockets: Vec<_> = self.sockets.iter().map(PathBuf::as_path).collect();
        lock::remove_endpoint(&self.dir, &sockets);
        tracing::info!("{} has ended", self.hub.id);
        drop(self.lock);
        if let Some(rented) = &self.hub.rented {
            rented.off().await;
        }
    }
}

impl End {
    /// Another order while the session ends.
    fn also(&mut self, order: Order) {
        match order {
            Order::Terminate { done, .. } => self.tell.push(done),
            Order::Upgrade { done, .. } => {
                let ending = crate::proto::WireError::new(
                    crate::proto::ErrorCode::Ending,
                    "the session is ending",
                );
                let _ = done.send(Err(ending));
            }
        }
    }
}

fn asked(why: String, done: oneshot::Sender<()>) -> End {
    let why = super::state::clean(&why).unwrap_or_else(|| "it was terminated".to_owned());
    End {
        ended: Ended {
            kind: EndKind::Terminated,
            at: now_ms(),
            why,
        },
        tell: vec![done],
    }
}

fn interrupted(why: String) -> End {
    let ended = Ended {
        kind: EndKind::Interrupted,
        at: now_ms(),
        why,
    };
    End {
        ended,
        tell: Vec::new(),
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

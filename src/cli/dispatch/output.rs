//! What a dispatch shows until its agents have ended.

use std::collections::BTreeSet;
use std::process::ExitCode;

use tokio::sync::mpsc;

use super::Ctx;
use crate::cli::attach::PredictArg;
use crate::cli::auto_pull::Auto;
use crate::cli::lend::LendArgs;
use crate::cli::notices::Followed;
use crate::cli::stages::Stages;
use crate::cli::target::interrupted;
use crate::cli::words::{self, summary};
use crate::cli::{Color, Ui, attach};
use crate::client::cloud;
use crate::client::follow::{Following, Form, Shown, checking, exit_status};
use crate::client::history::Begin;
use crate::error::{Kind, Result};
use crate::model::{SessionStatus, now_ms};

/// Pieces of output that wait to be printed.
const QUEUE: usize = 64;
const COLORS: [Color; 6] = [
    Color::Cyan,
    Color::Green,
    Color::Yellow,
    Color::Magenta,
    Color::Blue,
    Color::Red,
];

/// Attaches or follows until the agents have ended; the exit status is theirs. Results are pulled by `auto`
/// meanwhile; what came of that is its caller's to say, but for what is said between the lines of several agents.
pub async fn show(
    ctx: &Ctx,
    following: Following,
    agents: &[u32],
    json: bool,
    lend: LendArgs,
    predict: Option<PredictArg>,
    auto: &mut Option<Auto>,
) -> Result<ExitCode> {
    let ui = ctx.ui;
    let only = match agents {
        [one] => Some(*one),
        _ => None,
    };
    if let Some(agent) = only
        && !json
        && ui.out_is_terminal()
        && ui.in_is_terminal()
    {
        match attach::attach_to(
            ctx,
            &following.known,
            agent,
            following.hosts.open(&following.known.id).await,
            auto,
            lend,
            predict,
        )
        .await
        {
            // It had ended before we were there: what it wrote is still to be shown.
            Err(e) if e.kind == Kind::Connection && is_over(&following) => {}
            outcome => {
                let known = following.registry.resolve(following.known.id.as_str())?;
                let last = known.last.as_ref().filter(|_| outcome.is_ok());
                if let Some(command) = last.and_then(|l| running_check(l, agent)) {
                    let id = following.known.id.short();
                    ui.note(format!(
                        "Its check runs (`{command}`); its result: `remote wait {id}/{agent}`"
                    ));
                }
                return outcome;
            }
        }
    }
    let form = match only {
        Some(_) => Form::Raw,
        None => Form::Lines,
    };
    let lent = lend.following(ctx, &following)?;
    let mut news = Followed::new(ctx, &following, agents);
    let printed = print(ui, &following, agents, (form, json), &mut news);
    tokio::select! {
        printed = printed => printed?,
        () = say(auto), if form == Form::Lines && !json => {}
        () = interrupted() => {
            *auto = None;
            let id = &following.known.id;
            let short = id.short();
            ui.note(format!(
                "\n{id} goes on; come back: `remote attach {short}`, end it: `remote terminate {short}`"
            ));
            return Ok(ExitCode::from(130));
        }
    }
    if let Some(lent) = lent {
        lent.end(ctx).await;
    }
    news.finish(&ui).await;
    let mut status = following.outcome(agents).await?;
    if !checking(&status, agents).is_empty() {
        status = tokio::select! {
            status = checks(ui, &following, agents, &status) => status?,
            () = interrupted() => {
                let id = following.known.id.short();
                ui.note(format!("\nThe check goes on; its result: `remote status {id}`"));
                return Ok(ExitCode::from(130));
            }
        };
    }
    if json {
        ui.json(&status)?;
    } else {
        for line in summary(&status, agents, &ui, now_ms()) {
            ui.note(line);
        }
        if let Some(line) = total(ctx, &following, &status) {
            ui.note(line);
        }
    }
    Ok(ExitCode::from(exit_status(&status, agents)))
}

/// The command that checks what an agent has ended with, while it runs.
fn running_check(status: &SessionStatus, agent: u32) -> Option<&str> {
    let ended = status.agents.iter().find(|a| a.number == agent)?;
    let spec = status.spec.agents.iter().find(|a| a.number == agent)?;
    let running = ended.state.is_over() && !checking(status, &[agent]).is_empty();
    let command = spec.check.as_ref().filter(|_| running)?.command.as_str();
    command.lines().next()
}

/// Waits until the agents' work is checked, and says so meanwhile.
async fn checks(
    ui: Ui,
    following: &Following,
    agents: &[u32],
    status: &SessionStatus,
) -> Result<SessionStatus> {
    let first = status.spec.agents.iter().find_map(|a| a.check.as_ref());
    let stages = Stages::new(ui);
    stages.step(&format!(
        "check {}",
        first
            .and_then(|c| c.command.lines().next())
            .unwrap_or_default()
    ));
    let status = following.checked(agents).await?;
    stages.finish();
    Ok(status)
}

/// Never ends.
async fn say(auto: &mut Option<Auto>) {
    match auto {
        Some(auto) => auto.say().await,
        None => std::future::pending().await,
    }
}

/// What a rented machine has cost, and that it costs on where it does.
fn total(ctx: &Ctx, following: &Following, status: &SessionStatus) -> Option<String> {
    let known = &following.known;
    if known.provider != "ec2" {
        return None;
    }
    let at = status.ended.as_ref().map(|e| e.at);
    // A record must not stop what it is a record of.
    let told = cloud::so_far(&ctx.paths, &known.id, at.unwrap_or_else(now_ms)).ok()??;
    Some(match (at, status.ends.first()) {
        (Some(_), _) => format!("total {told}"),
        (None, Some(next)) => {
            let when = words::end(next, status.now);
            let id = known.id.short();
            format!(
                "total so far {told}; the machine ends by itself: {when}; at once: `remote terminate {id}`"
            )
        }
        (None, None) => format!("total so far {told}"),
    })
}

fn is_over(following: &Following) -> bool {
    let known = following.registry.known(&following.known.id);
    known.is_ok_and(|k| !k.live)
}

async fn print(
    ui: Ui,
    following: &Following,
    agents: &[u32],
    (form, silent): (Form, bool),
    news: &mut Followed,
) -> Result<()> {
    let (send, mut shown) = mpsc::channel(QUEUE);
    let follow = following.run(agents, Begin::Offset(0), form, send);
    tokio::pin!(follow);
    let mut printer = Printer::new(ui, agents);
    let mut outcome = None;
    loop {
        tokio::select! {
            next = shown.recv() => match next {
                Some(_) if silent => {}
                Some(next) => printer.print(&next)?,
                None => break,
            },
            ended = &mut follow, if outcome.is_none() => outcome = Some(ended),
            told = news.next() => news.tell(&ui, &told),
        }
    }
    if std::mem::take(&mut printer.held) {
        ui.raw(b"\r")?;
    }
    outcome.unwrap_or(Ok(()))
}

/// Turns what is shown into bytes for stdout.
#[derive(Debug)]
pub struct Printer {
    ui: Ui,
    /// Digits of the largest agent number; `None` with one agent only, whose lines need none.
    width: Option<usize>,
    /// A carriage return that may belong to a newline.
    held: bool,
    /// Agents of which states are printed; why is said once.
    drawing: BTreeSet<u32>,
}

impl Printer {
    pub fn new(ui: Ui, agents: &[u32]) -> Self {
        let widest = agents.iter().max().copied().unwrap_or(1);
        Self {
            ui,
            width: (agents.len() > 1).then(|| widest.to_string().len()),
            held: false,
            drawing: BTreeSet::new(),
        }
    }

    /// # Errors
    /// Stdout is gone.
    pub fn print(&mut self, shown: &Shown) -> Result<()> {
        let bytes = self.render(shown);
        if bytes.is_empty() {
            return Ok(());
        }
        self.ui.raw(&bytes)
    }

    fn render(&mut self, shown: &Shown) -> Vec<u8> {
        match shown {
            Shown::Bytes(bytes) if self.ui.out_is_terminal() => bytes.to_vec(),
            Shown::Bytes(bytes) => self.newlines(bytes),
            Shown::Line { agent, text } => format!("{}{text}\n", self.prefix(*agent)).into_bytes(),
            Shown::State { agent, state } => {
                let state = self.ui.paint(&state.to_string(), words::color(*state));
                let why = match self.drawing.insert(*agent) {
                    true => "; a full-screen program: attach to see it",
                    false => "",
                };
                format!("{}[{state}{why}]\n", self.prefix(*agent)).into_bytes()
            }
        }
    }

    /// `1 | `, coloured by the agent's number.
    fn prefix(&self, agent: u32) -> String {
        let Some(width) = self.width else {
            return String::new();
        };
        let color = usize::try_from(agent)
            .ok()
            .and_then(|n| COLORS.get(n.wrapping_sub(1) % COLORS.len()))
            .copied()
            .unwrap_or(Color::Dim);
        self.ui.paint(&format!("{agent:>width$} |"), color) + " "
    }

    /// The terminal that a program thinks it writes to makes CR LF of its newlines; a pipe gets back what
    /// the program wrote.
    fn newlines(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + 1);
        for byte in bytes {
            if self.held && *byte != b'\n' {
                out.push(b'\r');
            }
            self.held = *byte == b'\r';
            if !self.held {
                out.push(*byte);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AgentState;
    use bytes::Bytes;

    #[test]
    fn lines_carry_their_agents_number() {
        let mut printer = Printer::new(Ui::plain(), &[1, 12]);
        let line = Shown::Line {
            agent: 1,
            text: "hello".into(),
        };
        assert_eq!(printer.render(&line), b" 1 | hello\n");
        let state = Shown::State {
            agent: 12,
            state: AgentState::Done,
        };
        let first = printer.render(&state);
        assert!(first.starts_with(b"12 | [done; ") && first.ends_with(b"attach to see it]\n"));
        assert_eq!(printer.render(&state), b"12 | [done]\n");
    }

    #[test]
    fn a_pipe_gets_what_the_program_wrote() {
        let mut printer = Printer::new(Ui::plain(), &[1]);
        let mut all = Vec::new();
        for piece in [&b"a\r"[..], b"\nb\r\rc", b"\r", b"\r\n", b"\xff\n"] {
            all.extend(printer.render(&Shown::Bytes(Bytes::from_static(piece))));
        }
        assert_eq!(all, b"a\nb\r\rc\r\n\xff\n");
    }
}

//! What a dispatch shows until its agents have ended.

use std::collections::BTreeSet;
use std::process::ExitCode;

use tokio::sync::mpsc;

use super::Ctx;
use crate::cli::target::interrupted;
use crate::cli::words::{self, summary};
use crate::cli::{Color, Ui, attach};
use crate::client::follow::{Following, Form, Shown, exit_status};
use crate::client::history::Begin;
use crate::error::{Kind, Result};
use crate::model::now_ms;

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

/// Attaches or follows until the agents have ended; the exit status is theirs.
pub async fn show(ctx: &Ctx, following: Following, agents: &[u32], json: bool) -> Result<ExitCode> {
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
        )
        .await
        {
            // It had ended before we were there: what it wrote is still to be shown.
            Err(e) if e.kind == Kind::Connection && is_over(&following) => {}
            outcome => return outcome,
        }
    }
    let form = match only {
        Some(_) => Form::Raw,
        None => Form::Lines,
    };
    let printed = print(ui, &following, agents, form, json);
    tokio::select! {
        printed = printed => printed?,
        () = interrupted() => {
            let id = &following.known.id;
            let short = id.short();
            ui.note(format!(
                "\n{id} goes on; come back: `remote attach {short}`, end it: `remote terminate {short}`"
            ));
            return Ok(ExitCode::from(130));
        }
    }
    let status = following.outcome(agents).await?;
    if json {
        ui.json(&status)?;
    } else {
        for line in summary(&status, agents, &ui, now_ms()) {
            ui.note(line);
        }
    }
    Ok(ExitCode::from(exit_status(&status, agents)))
}

fn is_over(following: &Following) -> bool {
    let known = following.registry.resolve(following.known.id.as_str());
    known.is_ok_and(|k| !k.live)
}

async fn print(
    ui: Ui,
    following: &Following,
    agents: &[u32],
    form: Form,
    silent: bool,
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

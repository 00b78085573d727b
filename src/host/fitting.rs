//! What is told of a session fits one frame, however long its tasks and commands are: shown shorter then.

use crate::model::{AgentSpec, SessionStatus};
use crate::proto::MAX_BODY;

/// Leaves room for the rest of the frame.
const ROOM: usize = MAX_BODY - (16 << 10);
/// No task or argument is told at greater length.
pub const LONGEST: usize = 32 << 10;
/// Where there are many, these are tried in turn.
const SHORTER: [usize; 4] = [4 << 10, 512, 64, 0];

/// The text, cut at `most` bytes.
pub fn clip(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut cut = text[..text.floor_char_boundary(most)].to_owned();
    if most > 0 {
        cut.push('…');
    }
    cut
}

fn clip_all(words: &mut Vec<String>, most: usize) {
    words.truncate(most.max(1));
    words.iter_mut().for_each(|w| *w = clip(w, most));
}

fn shorten(status: &mut SessionStatus, most: usize) {
    status.spec.task = clip(&status.spec.task, most);
    for AgentSpec {
        argv,
        resume,
        env,
        task,
        check,
        push,
        ..
    } in &mut status.spec.agents
    {
        env.clear();
        resume.clear();
        clip_all(argv, most);
        *task = clip(task, most);
        if let Some(check) = check {
            check.command = clip(&check.command, most);
        }
        if let Some(push) = push {
            *push = clip(push, most);
        }
    }
    for agent in &mut status.agents {
        clip_all(&mut agent.argv, most);
        agent.task = clip(&agent.task, most);
    }
}

/// The status at the greatest length that fits a frame.
pub fn fit(mut status: SessionStatus) -> SessionStatus {
    let fits = |s: &SessionStatus| serde_json::to_vec(s).is_ok_and(|b| b.len() <= ROOM);
    for most in SHORTER {
        if fits(&status) {
            break;
        }
        shorten(&mut status, most);
    }
    status
}

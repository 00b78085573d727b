//! An agent's whole history as lines: what it wrote, played through a screen of the sizes it had, and what
//! scrolled off that.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::client::Registry;
use crate::client::history::{Begin, History};
use crate::client::logs::{Screenplay, size_of};
use crate::client::reach::Hosts;
use crate::error::Result;
use crate::model::{DEFAULT_SIZE, SessionId};
use crate::mux::{Row, Screen};
use crate::ssh::{Flow, Nobody};

/// Lines kept, the newest.
const MOST: usize = 200_000;
/// Taken off the screen before it drops any by itself.
const OFTEN: usize = 10_000;

/// All lines from the beginning, those that are seen now last.
///
/// # Errors
/// Neither the host nor its directory can be read.
pub(super) async fn lines(
    registry: &Registry,
    session: &SessionId,
    agent: u32,
) -> Result<Vec<Row>> {
    let known = registry.known(session)?;
    let hosts = Arc::new(Hosts::new(Arc::new(Nobody), Flow::Bulk));
    let begin = Begin::Offset(0);
    let mut history = History::open(registry, &known, &hosts, agent, begin, false).await?;
    let mut screen = Screen::new(DEFAULT_SIZE).keeping_scrolled();
    let mut play = Screenplay::default();
    let mut above = VecDeque::new();
    let take = |screen: &mut Screen, above: &mut VecDeque<Row>| {
        let scrolled = screen.take_scrolled(usize::MAX);
        above.extend(scrolled.iter().map(Row::from));
        let over = above.len().saturating_sub(MOST);
        above.drain(..over);
    };
    while let Some(record) = history.next().await? {
        if let Some(size) = size_of(&record) {
            screen.resize(size);
        } else if play.shows(&record) {
            screen.feed(&record.bytes);
        }
        if screen.scrolled() >= OFTEN {
            take(&mut screen, &mut above);
        }
    }
    take(&mut screen, &mut above);
    let mut lines: Vec<Row> = above.into();
    lines.extend(screen.rows());
    Ok(lines)
}

//! How the list looks.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect as Area;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::{AgentKey, Focus, Home, Row, age, session};
use crate::model::{AgentState, AgentStatus, Millis, now_ms};
use crate::tui::theme::{Theme, cut};

/// Draws the list into `area`; returns the first row shown.
pub fn list(home: &Home, theme: Theme, buffer: &mut Buffer, area: Area) -> usize {
    let rows = home.rows();
    let now = now_ms();
    if rows.is_empty() {
        let text = match home.heard {
            true => "No live sessions.",
            false => "Nothing runs yet.",
        };
        let hint = "Type a task below and press Enter.";
        for (n, (text, style)) in (1u16..).zip([(text, theme.strong()), (hint, theme.quiet())]) {
            if n < area.height {
                buffer.set_stringn(
                    area.x + 2,
                    area.y + n,
                    text,
                    usize::from(area.width.saturating_sub(2)),
                    style,
                );
            }
        }
        return 0;
    }
    let first = first(home, &rows, usize::from(area.height));
    for (y, row) in rows
        .iter()
        .skip(first)
        .take(usize::from(area.height))
        .enumerate()
    {
        let y = area.y + u16::try_from(y).unwrap_or(0);
        let width = usize::from(area.width);
        match row {
            Row::Session(id) => {
                if let Some(report) = home.report(id) {
                    spread(
                        buffer,
                        area.x,
                        y,
                        width,
                        session::line(home, report, theme, width),
                        theme,
                    );
                }
            }
            Row::Agent(key) => {
                if let Some((left, right)) = agent(home, key, theme, now) {
                    spread(buffer, area.x, y, width, (left, right), theme);
                }
                if home.chosen() == Some(key) {
                    choose(home, theme, buffer, Area::new(area.x, y, area.width, 1));
                }
            }
        }
    }
    first
}

/// So that the chosen one is seen.
fn first(home: &Home, rows: &[Row], height: usize) -> usize {
    let chosen = home.chosen();
    let at = rows
        .iter()
        .position(|row| matches!(row, Row::Agent(key) if Some(key) == chosen));
    at.map_or(0, |at| {
        (at + 2)
            .saturating_sub(height)
            .min(rows.len().saturating_sub(height))
    })
}

fn choose(home: &Home, theme: Theme, buffer: &mut Buffer, area: Area) {
    if home.focus == Focus::List {
        buffer.set_style(area, theme.chosen());
    } else {
        buffer.set_style(area, Style::new().add_modifier(Modifier::BOLD));
        buffer.set_string(area.x, area.y, theme.pick("▌", ">"), theme.accent());
    }
}

/// Text to the left, cut before that to the right.
fn spread(
    buffer: &mut Buffer,
    x: u16,
    y: u16,
    width: usize,
    (left, right): (Line<'static>, Line<'static>),
    theme: Theme,
) {
    let room = width.saturating_sub(right.width() + 1);
    let mut at = x;
    let mut left_room = room;
    for span in left.spans {
        let text = cut(&span.content, left_room, theme.dots());
        let used = Span::raw(text.as_str()).width();
        buffer.set_stringn(at, y, &text, left_room, span.style);
        at = at.saturating_add(u16::try_from(used).unwrap_or(0));
        left_room = left_room.saturating_sub(used);
    }
    let used = u16::try_from(right.width()).unwrap_or(0);
    let from = u16::try_from(width).unwrap_or(0).saturating_sub(used);
    if usize::from(used) < width {
        buffer.set_line(x.saturating_add(from), y, &right, used);
    }
}

/// `▲ 2 claude  blocked: Allow npm install?  40s`
fn agent(
    home: &Home,
    key: &AgentKey,
    theme: Theme,
    now: Millis,
) -> Option<(Line<'static>, Line<'static>)> {
    let agent = home.agent(key)?;
    let state = home.state(key)?;
    let status = home.report(&key.0)?.status.as_ref()?;
    let now = now.max(status.now);
    let style = theme.state(state);
    let left = vec![
        Span::styled(format!("   {} ", theme.sign(state)), style),
        Span::raw(format!("{} {} ", agent.number, agent.name)),
        Span::styled(words(agent, state), style),
    ];
    let right = Span::styled(format!("{} ", age(agent.since, now)), theme.quiet());
    Some((Line::from(left), Line::from(vec![right])))
}

/// What it is doing; what it asks, where it waits for a person.
pub fn words(agent: &AgentStatus, state: AgentState) -> String {
    let blocked = matches!(state, AgentState::Blocked { .. });
    let asked = agent.evidence.message.as_ref().filter(|_| blocked);
    match asked {
        Some(asked) => format!("{}: {asked}", state.word()),
        None => state.to_string(),
    }
}

/// The agent that is in a row of the list that began with row `first`.
pub fn agent_at(home: &Home, first: usize, y: usize) -> Option<AgentKey> {
    match home.rows().into_iter().nth(first + y)? {
        Row::Agent(key) => Some(key),
        Row::Session(id) => {
            let status = home.report(&id)?.status.as_ref()?;
            status.most_wanted().map(|n| (id, n))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::BlockedOn;
    use crate::mux::canvas::Canvas;
    use crate::mux::layout::Rect;
    use crate::tui::chrome;

    #[test]
    fn a_session_and_its_agents_are_lines_that_fit() {
        let blocked = AgentState::Blocked {
            on: BlockedOn::Permission,
        };
        let mut home = Home::new();
        let mut report =
            super::super::tests::report("session-abc234", 0, &[AgentState::Working, blocked]);
        report.ttl_left_ms = Some(42 * 60_000);
        report.name = Some("a name that is much too long for it".into());
        if let Some(status) = &mut report.status {
            status.agents[1].evidence.message = Some("Allow npm install?".into());
        }
        home.see(report, Some(crate::model::Money::micros(380_000)));
        let theme = Theme {
            color: false,
            unicode: true,
        };
        let mut canvas = Canvas::new(crate::model::Size { cols: 40, rows: 4 });
        chrome::draw(&mut canvas, Rect::new(0, 0, 40, 4), |buffer, area| {
            list(&home, theme, buffer, area);
        });
        let lines = canvas.lines();
        assert_eq!(lines[0], " abc234 a name that is …  TTL 42m $0.38");
        assert!(
            lines[1].starts_with("▌  ▲ 2 sh blocked: Allow npm"),
            "{lines:?}"
        );
        assert!(lines[2].starts_with("   ● 1 sh working"), "{lines:?}");
    }
}

//! What was spent, below the list: today, against the day's budget where there is one, and the last hours as columns.
//! Nothing is drawn of which this device has no record.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect as Area;
use ratatui::text::{Line, Span};

use super::Home;
use super::session::near;
use crate::model::Money;
use crate::tui::heard::share;
use crate::tui::theme::Theme;

/// Lines that it takes.
pub const HEIGHT: u16 = 2;
/// A list that would be left with fewer rows has them all.
const LIST: u16 = 10;
/// Columns before the last hours.
const LABEL: usize = 6;

/// Whether it is shown in a view with so many rows for the list.
pub fn has_room(home: &Home, rows: u16) -> bool {
    home.lately.is_some() && rows > LIST + HEIGHT
}

/// Draws it into `area`.
pub fn draw(home: &Home, theme: Theme, buffer: &mut Buffer, area: Area) {
    let width = usize::from(area.width);
    let lines = [today(home, theme, width), hours(home, theme, width)];
    for (y, line) in (area.y..area.bottom()).zip(lines.into_iter().flatten()) {
        buffer.set_line(area.x, y, &line, area.width);
    }
}

/// `today $1.24 ████░░░░░░ 25% of $5.00`
fn today(home: &Home, theme: Theme, width: usize) -> Option<Line<'static>> {
    let lately = home.lately.as_ref()?;
    let spent = lately.certainty.of(lately.today);
    let mut spans = vec![
        Span::styled(" today ", theme.quiet()),
        Span::styled(spent, theme.strong()),
    ];
    if let Some(daily) = home.daily {
        let percent = share(lately.today, daily);
        let (style, sign) = near(percent, theme);
        let told = format!(" {sign}{percent}% of {daily}");
        let used: usize = spans.iter().map(Span::width).sum();
        // The bar takes what is left, ASCII's brackets off it.
        let left = width.saturating_sub(used + Span::raw(told.as_str()).width() + 2);
        let cells = left
            .saturating_sub(if theme.unicode { 0 } else { 2 })
            .min(20);
        if cells >= 4 {
            let meter = theme.meter(percent, cells);
            spans.push(Span::styled(format!(" {meter}"), style));
        }
        spans.push(Span::styled(told, style));
    }
    Some(Line::from(spans))
}

/// `24 h  ▁▁▂█▃… most $0.31/h`; of fewer hours where they do not fit.
fn hours(home: &Home, theme: Theme, width: usize) -> Option<Line<'static>> {
    let all = &home.lately.as_ref()?.hours;
    let shown = all.len().min(width.saturating_sub(LABEL));
    let hours = all.get(all.len() - shown..)?;
    let micros: Vec<u64> = hours.iter().map(|h| h.as_micros()).collect();
    let mut spans = vec![
        Span::styled(format!(" {shown:>2} h "), theme.quiet()),
        Span::styled(theme.sparkline(&micros), theme.good()),
    ];
    let most = hours.iter().copied().max().unwrap_or(Money::ZERO);
    let most = Span::styled(format!(" most {most}/h"), theme.quiet());
    if LABEL + shown + most.width() <= width {
        spans.push(most);
    }
    Some(Line::from(spans))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cost::Lately;
    use crate::model::Certainty;

    fn home(daily: Option<u64>) -> Home {
        let mut hours = vec![Money::ZERO; 24];
        hours[20] = Money::micros(310_000);
        hours[21] = Money::micros(100_000);
        let mut home = Home::new();
        home.learn(Some(Lately {
            today: Money::micros(1_240_000),
            certainty: Certainty::AtMost,
            hours,
            sessions: BTreeMap::new(),
        }));
        home.daily = daily.map(|cents| Money::micros(cents * 10_000));
        home
    }

    fn shown(home: &Home, unicode: bool, width: u16) -> Vec<String> {
        let theme = Theme {
            color: false,
            unicode,
        };
        let area = Area::new(0, 0, width, HEIGHT);
        let mut buffer = Buffer::empty(area);
        draw(home, theme, &mut buffer, area);
        let line = |y| {
            let cells = (0..width).filter_map(|x| buffer.cell((x, y)));
            let line: String = cells.map(ratatui::buffer::Cell::symbol).collect();
            line.trim_end().to_owned()
        };
        (0..HEIGHT).map(line).collect()
    }

    #[test]
    fn today_is_a_bar_where_a_day_has_a_budget_and_the_hours_are_columns() {
        assert_eq!(
            shown(&home(Some(500)), true, 46),
            [
                " today ≤$1.24 ████░░░░░░░░░░░░░░ 24% of $5.00",
                " 24 h                     █▃   most $0.31/h",
            ]
        );
        assert_eq!(
            shown(&home(Some(150)), false, 40),
            [
                " today ≤$1.24 [#######..] !82% of $1.50",
                " 24 h ____________________#-__",
            ]
        );
        let narrow = shown(&home(None), true, 16);
        assert_eq!(narrow, [" today ≤$1.24", " 10 h       █▃"]);
        assert_eq!(
            shown(&home(Some(100)), true, 26)[0],
            " today ≤$1.24 ✗124% of $1."
        );
    }

    #[test]
    fn without_a_record_or_room_there_is_nothing() {
        let mut home = home(None);
        assert!(has_room(&home, 20) && !has_room(&home, 12));
        home.learn(None);
        assert!(!has_room(&home, 20));
        assert_eq!(shown(&home, true, 40), ["", ""]);
    }
}

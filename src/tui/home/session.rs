//! A session's own line in the list: its name, how busy its machine is, its end, its cost. Where there is little
//! room, the bar of its budget, the memory and then the CPU are left out; end and cost are not.

use ratatui::text::{Line, Span};

use super::{Home, age};
use crate::client::status::{Presence, Report};
use crate::model::{Load, Money};
use crate::tui::heard::{SOON, share};
use crate::tui::theme::Theme;

/// From here on a budget is nearly used up, in percent.
pub const NEAR: u64 = 80;
/// Columns of a name that are worth more than what is beside it.
const NAMED: usize = 12;
/// Cells of a budget's bar.
const METER: usize = 4;

type Spans = Vec<Span<'static>>;

/// `abc234 nightly` to the left, `cpu 34% mem 2.1/7.6G TTL 42m $0.38` to the right.
pub fn line(
    home: &Home,
    report: &Report,
    theme: Theme,
    width: usize,
) -> (Line<'static>, Line<'static>) {
    let mut left = vec![Span::styled(
        format!(" {}", report.session.short()),
        theme.strong(),
    )];
    let mut needed = left.iter().map(Span::width).sum::<usize>() + 1;
    if let Some(name) = &report.name {
        let name = Span::styled(format!(" {name}"), theme.strong());
        needed += name.width().min(NAMED);
        left.push(name);
    }
    if report.provider != "local" {
        left.push(Span::styled(format!(" {}", report.provider), theme.quiet()));
    }
    let live = report.presence == Presence::Live;
    let load = report.status.as_ref().and_then(|s| s.load);
    let [full, brief] = match load.filter(|_| live) {
        Some(load) => busy(load, theme),
        None => [Vec::new(), Vec::new()],
    };
    let [bar, plain] = spent(home, report, theme);
    let end = end(report, theme);
    let none = Vec::new();
    // The richest that leaves room for the name.
    let choices = [
        (&full, &bar),
        (&full, &plain),
        (&brief, &bar),
        (&brief, &plain),
    ];
    let fits = |(busy, spent): &(&Spans, &Spans)| {
        let all = busy.iter().chain(&end).chain(spent.iter());
        all.map(Span::width).sum::<usize>() + needed < width
    };
    let found = choices.into_iter().find(fits);
    let (busy, spent) = found.unwrap_or((&none, &plain));
    let mut right: Spans = busy.iter().chain(&end).chain(spent).cloned().collect();
    right.push(Span::raw(" "));
    (Line::from(left), Line::from(right))
}

/// In full, and in brief.
fn busy(load: Load, theme: Theme) -> [Spans; 2] {
    let style = match load.cpu_percent {
        0..90 => theme.quiet(),
        _ => theme.warning(),
    };
    let brief = format!(" cpu {}%", load.cpu_percent);
    [format!(" {load}"), brief].map(|text| vec![Span::styled(text, style)])
}

/// When it ends, or that it has. What is soon has a sign beside its colour.
fn end(report: &Report, theme: Theme) -> Spans {
    let (text, style) = match report.presence {
        Presence::Live => match report.ttl_left_ms {
            Some(left) if left < SOON => {
                let soon = theme.pick("▲", "!");
                (format!("{soon}TTL {}", age(0, left)), theme.warning())
            }
            Some(left) => (format!("TTL {}", age(0, left)), theme.quiet()),
            None => return Vec::new(),
        },
        Presence::Ended => ("ended".to_owned(), theme.quiet()),
        Presence::Lost => ("host died".to_owned(), theme.bad()),
        Presence::Stopped => ("stopped".to_owned(), theme.warning()),
        Presence::Launching => ("launching".to_owned(), theme.warning()),
        Presence::Unreachable => ("unreachable".to_owned(), theme.warning()),
        Presence::Foreign => return Vec::new(),
    };
    vec![Span::styled(format!(" {text}"), style)]
}

/// What it has cost: with its budget as a bar, and alone. One that is nearly used up has a sign.
fn spent(home: &Home, report: &Report, theme: Theme) -> [Spans; 2] {
    let Some(spent) = home.spent(&report.session) else {
        return [Vec::new(), Vec::new()];
    };
    let budget = report.status.as_ref().and_then(|s| s.spec.budget_microusd);
    let Some(budget) = budget.map(Money::micros) else {
        let told = vec![Span::styled(format!(" {spent}"), theme.quiet())];
        return [told.clone(), told];
    };
    let percent = share(spent, budget);
    let (style, sign) = near(percent, theme);
    let plain = vec![Span::styled(format!(" {sign}{spent}"), style)];
    let mut bar = plain.clone();
    let meter = theme.meter(percent, METER);
    bar.push(Span::styled(format!(" {meter} {budget}"), style));
    [bar, plain]
}

/// How near a budget's end is told, by colour and by sign.
pub fn near(percent: u64, theme: Theme) -> (ratatui::style::Style, &'static str) {
    match percent {
        0..NEAR => (theme.quiet(), ""),
        NEAR..100 => (theme.warning(), theme.pick("▲", "!")),
        _ => (theme.bad(), theme.pick("✗", "x")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AgentState;

    const PLAIN: Theme = Theme {
        color: false,
        unicode: true,
    };

    fn shown(home: &Home, theme: Theme, width: usize) -> String {
        let report = home.reports().next().expect("one");
        let (left, right) = line(home, report, theme, width);
        let room = width.saturating_sub(right.width());
        format!("{:<room$}{right}", left.to_string())
    }

    fn home(cents: u64, ttl: u64) -> Home {
        let id = "session-abc234";
        let mut report = super::super::tests::report(id, 0, &[AgentState::Working]);
        report.name = Some("auth".into());
        report.provider = "ec2".into();
        report.ttl_left_ms = Some(ttl);
        let status = report.status.as_mut().expect("a status");
        status.spec.budget_microusd = Some(2_000_000);
        status.load = Some(Load {
            cpu_percent: 34,
            memory_used: 2_254_857_830,
            memory: 8_160_437_862,
            at: 0,
        });
        let mut home = Home::new();
        home.see(report, Some(Money::micros(cents * 10_000)));
        home
    }

    #[test]
    fn it_gives_way_from_the_bar_to_the_cpu() {
        let home = home(38, 42 * 60_000);
        let lines = [64, 52, 48, 36, 30, 20].map(|width| shown(&home, PLAIN, width));
        assert_eq!(
            lines,
            [
                " abc234 auth ec2  cpu 34% mem 2.1/7.6G TTL 42m $0.38 █░░░ $2.00 ",
                " abc234 auth ec2 cpu 34% mem 2.1/7.6G TTL 42m $0.38 ",
                " abc234 auth ec2 cpu 34% TTL 42m $0.38 █░░░ $2.00 ",
                " abc234 auth ec2 cpu 34% TTL 42m $0.38 ",
                " abc234 auth ec2 TTL 42m $0.38 ",
                " abc234 auth ec2 TTL 42m $0.38 ",
            ]
        );
    }

    #[test]
    fn what_is_soon_over_has_signs_beside_the_colours() {
        let ascii = Theme {
            color: false,
            unicode: false,
        };
        let line = shown(&home(190, 299_000), ascii, 64);
        assert!(line.ends_with(" !TTL 4m !$1.90 [###.] $2.00 "), "{line}");
        assert_eq!(near(100, ascii).1, "x");
        assert_eq!(near(79, PLAIN).1, "");
        let color = Theme {
            color: true,
            unicode: true,
        };
        assert_eq!(near(85, color).0, color.warning());
    }

    #[test]
    fn of_an_older_host_or_one_that_is_silent_no_load_is_shown() {
        let mut home = home(38, 42 * 60_000);
        let mut report = home.reports().next().expect("one").clone();
        report.presence = Presence::Unreachable;
        home.see(report.clone(), None);
        assert!(!shown(&home, PLAIN, 80).contains("cpu"));
        report.presence = Presence::Live;
        report.status.as_mut().expect("a status").load = None;
        home.see(report, None);
        assert!(!shown(&home, PLAIN, 80).contains("cpu"));
    }
}

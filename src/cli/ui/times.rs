//! Times for people: `17.2 s`, `2m03s`, `3h`.

use std::time::Duration;

use crate::model::Millis;

/// How long something took: `140 ms`, `17.2 s`, `2m03s`, `1h05m`, `3d04h`.
pub fn span(took: Duration) -> String {
    let seconds = took.as_secs();
    match seconds {
        0 if took.as_millis() < 1000 => format!("{} ms", took.as_millis()),
        0..60 => format!("{:.1} s", (took.as_millis() / 100) as f64 / 10.0),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// How long ago `then` was, in one unit: `now`, `8s`, `3m`, `2h`, `5d`.
pub fn age(then: Millis, now: Millis) -> String {
    match now.saturating_sub(then) / 1000 {
        0 => "now".to_owned(),
        s @ 1..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}m", s / 60),
        s @ 3600..86_400 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let of = |ms| span(Duration::from_millis(ms));
        assert_eq!(of(140), "140 ms");
        assert_eq!(of(17_290), "17.2 s");
        assert_eq!(of(59_999), "59.9 s");
        assert_eq!(of(123_000), "2m03s");
        assert_eq!(of(3_900_000), "1h05m");
        assert_eq!(of(90_000_000), "1d01h");
        assert_eq!(age(0, 999), "now");
        assert_eq!(age(0, 59_000), "59s");
        assert_eq!(age(5, 0), "now");
        assert_eq!(age(0, 86_400_000 * 3), "3d");
    }
}

//! The predictor beside a small program that answers when told to.

use proptest::prelude::*;

use super::*;

const SIZE: Size = Size { cols: 40, rows: 6 };

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A person's side: the screen as it has arrived, and what is drawn over it.
struct Side {
    predictor: Predictor,
    screen: Screen,
    number: u64,
    acks: Acks,
    now: Duration,
    trip: Duration,
}

impl Side {
    fn new(when: Predict, trip: u64) -> Self {
        let mut screen = Screen::new(SIZE);
        screen.feed(b"$ ");
        Self {
            predictor: Predictor::new(when),
            screen,
            number: 0,
            acks: Acks::default(),
            now: ms(0),
            trip: ms(trip),
        }
    }

    fn far() -> Self {
        Self::new(Predict::Adaptive, 150)
    }

    fn type_(&mut self, bytes: &str) {
        self.number += 1;
        let Self {
            predictor,
            screen,
            number,
            now,
            ..
        } = self;
        predictor.typed(bytes.as_bytes(), *number, screen, *now);
        self.hear();
    }

    fn hear(&mut self) {
        self.predictor
            .heard(self.acks, Some(self.trip), &self.screen, self.now);
    }

    /// The host's output for input up to `number`, which is applied, and answered if `over`.
    fn answer(&mut self, number: u64, output: &str, over: bool) {
        self.now += ms(1);
        self.screen.feed(output.as_bytes());
        self.acks.applied = number;
        if over {
            self.acks.echoed = number;
        }
        self.hear();
    }

    /// What a terminal shows that draws the overlay, and where its cursor is.
    fn shown(&mut self) -> (Vec<String>, (u16, u16)) {
        let overlay = self.predictor.overlay(&self.screen);
        let mut terminal = Screen::new(SIZE);
        terminal.feed(&self.screen.repaint());
        terminal.feed(&Overlay::default().turn_into(&overlay, &self.screen));
        (terminal.text(), terminal.cursor())
    }

    fn line(&mut self) -> String {
        let (lines, (row, _)) = self.shown();
        lines[usize::from(row)].clone()
    }

    /// Types a letter and has it echoed, so that the epoch is confirmed.
    fn confirmed() -> Self {
        let mut side = Self::far();
        side.type_("l");
        assert_eq!(side.line(), "$");
        side.answer(1, "l", true);
        side
    }
}

#[test]
fn hidden_until_one_is_confirmed_and_then_at_once() {
    let mut side = Side::confirmed();
    side.type_("s");
    assert_eq!(side.line(), "$ ls");
    assert_eq!(side.shown().1, (0, 4));
    side.type_(" ");
    side.type_("-");
    assert_eq!(side.line(), "$ ls -");
    let overlay = side.predictor.overlay(&side.screen);
    let typed = side.screen.as_written('s').underlined();
    assert_eq!(overlay.cells.get(&(0, 3)), Some(&typed));
    // The echo of one takes nothing away from the others.
    side.answer(2, "s", false);
    assert_eq!(side.line(), "$ ls -");
    side.answer(4, " -", true);
    assert!(side.predictor.overlay(&side.screen).is_empty());
    assert!(!side.predictor.is_active());
    assert_eq!(side.predictor.counts(), Guessed { shown: 2, wrong: 0 });
}

#[test]
fn what_is_not_echoed_is_never_shown() {
    let mut side = Side::confirmed();
    side.type_("\r");
    side.answer(2, "\r\nPassword: ", true);
    for c in "secret".chars() {
        side.type_(&c.to_string());
        assert_eq!(side.line(), "Password:");
    }
    let number = side.number;
    side.answer(number, "", true);
    side.type_("\r");
    side.answer(number + 1, "\r\n", true);
    assert_eq!(side.predictor.counts(), Guessed::default());
    // A program that asks for one without a line of its own being ended first.
    let mut side = Side::confirmed();
    side.answer(1, "\r\n[sudo] password: ", true);
    side.type_("s");
    side.type_("e");
    assert_eq!(side.line(), "[sudo] password:");
}

#[test]
fn a_wrong_guess_takes_all_back_and_is_over_at_the_hosts_word() {
    let mut side = Side::confirmed();
    side.type_("a");
    side.type_("b");
    assert_eq!(side.line(), "$ lab");
    // The host writes something else there: that counts at once.
    side.answer(2, "*", false);
    assert_eq!(side.line(), "$ l*b");
    side.answer(2, "", true);
    assert_eq!(side.line(), "$ l*");
    assert_eq!(side.predictor.counts(), Guessed { shown: 2, wrong: 1 });
    // The one under way is guessed anew, and confirms the next.
    side.answer(3, "b", false);
    side.type_("c");
    assert_eq!(side.line(), "$ l*bc");
}

#[test]
fn a_prompt_that_comes_late_does_not_lose_what_is_under_way() {
    let mut side = Side::confirmed();
    side.type_("\r");
    side.type_("p");
    side.type_("w");
    side.answer(2, "\r\n$ ", true);
    side.answer(3, "p", false);
    assert_eq!(side.line(), "$ pw");
    side.type_("d");
    assert_eq!(side.line(), "$ pwd");
}

#[test]
fn text_behind_the_cursor_moves_up_to_a_gap() {
    let mut side = Side::confirmed();
    side.answer(1, "s foo\x1b[38G|\x1b[1;5H", true);
    side.type_("x");
    side.answer(2, "\x1b[1@x\x1b[38G|\x1b[K\x1b[1;6H", true);
    side.type_("y");
    let edge = " ".repeat(27);
    assert_eq!(side.line(), format!("$ lsxy foo{edge}|"));
    side.type_("\x7f");
    assert_eq!(side.line(), format!("$ lsx foo {edge}|"));
    side.type_("\x1b[D");
    assert_eq!(side.shown().1, (0, 4));
    // What is left of it was not typed now: it may be a prompt.
    side.type_("\x7f");
    assert_eq!(side.line(), format!("$ lsx foo {edge}|"));
}

#[test]
fn pastes_wide_characters_and_the_last_column_are_not_guessed() {
    let mut side = Side::confirmed();
    side.type_(&"p".repeat(101));
    assert_eq!(side.line(), "$ l");
    let mut side = Side::confirmed();
    side.type_("漢");
    side.type_("a");
    assert_eq!(side.line(), "$ l");
    let mut side = Side::confirmed();
    side.answer(1, &"x".repeat(36), true);
    side.type_("y");
    side.answer(2, "y", true);
    for _ in 0..3 {
        side.type_("z");
    }
    assert_eq!(side.shown().0[1], "");
    assert!(!side.shown().0[0].ends_with('z'));
}

#[test]
fn near_hosts_need_none_unless_they_are_slow() {
    let mut side = Side::new(Predict::Adaptive, 20);
    side.type_("l");
    side.answer(1, "l", true);
    side.type_("s");
    assert_eq!(side.line(), "$ l");
    assert_eq!(side.predictor.due(), Some(side.now + ms(250)));
    side.now += ms(250);
    side.hear();
    assert_eq!(side.line(), "$ ls");
    let plain = side.screen.as_written('s');
    let overlay = side.predictor.overlay(&side.screen);
    assert_eq!(overlay.cells.get(&(0, 3)), Some(&plain));

    let mut side = Side::new(Predict::Always, 1);
    side.type_("l");
    side.answer(1, "l", true);
    side.type_("s");
    assert_eq!(side.line(), "$ ls");
    let mut side = Side::new(Predict::Never, 500);
    side.type_("l");
    side.answer(1, "l", true);
    side.type_("s");
    assert_eq!(side.line(), "$ l");
}

#[test]
fn a_resize_and_a_half_drawn_frame() {
    let mut side = Side::confirmed();
    side.type_("s");
    side.answer(1, "\x1b[?2026h\x1b[2J", false);
    assert!(side.predictor.overlay(&side.screen).is_empty());
    side.answer(2, "\x1b[1;1H$ ls\x1b[?2026l", true);
    assert_eq!(side.predictor.counts(), Guessed { shown: 0, wrong: 0 });
    side.type_("x");
    assert_eq!(side.line(), "$ lsx");
    side.screen.resize(Size { cols: 30, rows: 6 });
    side.hear();
    assert!(!side.predictor.is_active());
}

#[test]
fn nothing_is_waited_for_by_time_in_a_frame_that_never_ends() {
    for trip in [20, 70] {
        let mut side = Side::new(Predict::Adaptive, trip);
        side.screen.feed(b"\x1b[?2026h");
        side.type_("l");
        for _ in 0..3 {
            side.now += ms(6000);
            side.hear();
            assert_eq!(side.predictor.due(), None);
        }
        side.answer(1, "l\x1b[?2026l", true);
        assert!(!side.predictor.is_active());
    }
}

#[test]
fn a_repaint_that_is_half_there_is_not_judged() {
    let mut side = Side::confirmed();
    side.type_("s");
    assert_eq!(side.line(), "$ ls");
    side.answer(2, "s", false);
    let repaint = String::from_utf8(side.screen.repaint()).expect("text");
    let erase = "\x1b[H\x1b[J";
    let (half, rest) = repaint.split_at(repaint.find(erase).expect("an erase") + erase.len());
    side.screen = Screen::new(SIZE);
    side.answer(2, half, true);
    side.answer(2, rest, true);
    side.type_("x");
    assert_eq!(side.line(), "$ lsx");
    assert_eq!(side.predictor.counts().wrong, 0);
}

#[test]
fn a_host_that_never_says_what_is_answered_fills_no_memory() {
    let mut side = Side::confirmed();
    for n in 0..3000 {
        side.type_(["\r", "x"][n % 2]);
        side.acks.applied = side.number;
    }
    assert!(side.predictor.cursors.len() <= UNDER_WAY + 1);
}

#[test]
fn what_stood_there_before_the_program_had_the_key_proves_nothing() {
    let mut side = Side::confirmed();
    side.type_("su\r");
    for key in ["P", "a", "b", "c"] {
        side.type_(key);
    }
    side.answer(2, "su\r\nP: ", false);
    side.now += ms(100);
    for number in 3..=6 {
        side.answer(number, "", false);
        assert_eq!(side.line(), "P:");
    }
    side.answer(6, "", true);
    assert_eq!(side.predictor.counts(), Guessed::default());
}

#[test]
fn none_in_a_row_of_doubtful_width() {
    let mut side = Side::confirmed();
    side.answer(1, "\r\n🚀 $ ", true);
    side.type_("l");
    side.answer(2, "l", true);
    side.type_("s");
    assert_eq!(side.line(), "🚀 $ l");
    // Nor where only the guess is in one.
    side.type_("\r");
    side.answer(4, "s\r\n$ \x1b7\x1b[3;20H🚀\x1b8", true);
    side.type_("a");
    side.answer(5, "a", true);
    side.type_("b");
    assert!(side.predictor.overlay(&side.screen).is_empty());
}

/// What a program answers to one key: it echoes, hides, edits a line, or does something else.
fn reply(kind: u8, key: &str) -> String {
    match (kind % 8, key) {
        (0, _) => String::new(),
        (1, _) => "*".into(),
        (2, _) => format!("\x1b[31m{key}\x1b[m"),
        (3, "\r") => "\x1b[2J\x1b[H> ".into(),
        (_, "\r") => "\r\n$ ".into(),
        (_, "\x7f") => "\x08 \x08".into(),
        (_, "\x1b[D") => "\x08".into(),
        (_, "\x1b[C") => "\x1b[C".into(),
        (_, "\x1b") => "^[".into(),
        (_, "\t") => "    ".into(),
        (_, key) => key.into(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any typing, any program, any delays: once all is answered nothing is left over the screen.
    #[test]
    fn all_is_settled_when_all_is_answered(
        screen in "([ -~]{0,50}|漢|\r\n|\x1b\\[[1-6];[1-9]H|\x1b\\[4[1-3]m){0,6}",
        keys in prop::collection::vec(
            ("([a-z ]|\r|\x7f|\x1b\\[[ACD]|é|漢|\x1b|\t)", 0u8..8, 0usize..6, 0usize..4), 1..60),
        when in prop_oneof![Just(Predict::Always), Just(Predict::Adaptive)],
        trip in 0u64..300,
    ) {
        let mut side = Side::new(when, trip);
        side.screen.feed(screen.as_bytes());
        // What the program has written, and has been given for how long.
        let mut replies = VecDeque::new();
        let (mut applied, mut echoed) = (0, 0);
        for (key, kind, arrive, late) in &keys {
            side.now += ms(7 * (*arrive as u64 + 1));
            side.type_(key);
            replies.push_back(reply(*kind, key));
            let overlay = side.predictor.overlay(&side.screen);
            prop_assert!(overlay.cells.keys().all(|(_, col)| col + 1 < SIZE.cols));
            for _ in 0..*arrive {
                let Some(output) = replies.pop_front() else { break };
                applied += 1;
                side.answer(applied, &output, false);
            }
            echoed = applied.saturating_sub(*late as u64).max(echoed);
            side.acks.echoed = echoed;
            side.hear();
        }
        for output in replies {
            applied += 1;
            side.answer(applied, &output, false);
        }
        side.acks.echoed = applied;
        side.hear();
        prop_assert!(!side.predictor.is_active());
        prop_assert!(side.predictor.overlay(&side.screen).is_empty());
        prop_assert!(side.predictor.under_way.is_empty());
    }

    /// A program that echoes nothing is shown nothing, whatever was echoed before the line was ended.
    #[test]
    fn hidden_input_is_never_shown(
        before in "[a-z]{0,5}",
        // What a prompt prints is no echo, though it may be the same.
        same in 0usize..10, other in "[!-~]{1,20}",
        lag in 0usize..15, late in 0usize..5, answered in any::<bool>(),
    ) {
        let prompt = "Password: ";
        let secret = format!("{}{other}", &prompt[..same]);
        let mut side = Side::new(Predict::Always, 200);
        for c in before.chars() {
            side.type_(&c.to_string());
            let number = side.number;
            side.answer(number, &c.to_string(), true);
        }
        side.type_("\r");
        let enter = side.number;
        for (i, c) in secret.chars().enumerate() {
            if i == lag {
                side.answer(enter, &format!("\r\n{prompt}"), answered);
            }
            side.type_(&c.to_string());
            let overlay = side.predictor.overlay(&side.screen);
            prop_assert!(overlay.cells.is_empty(), "{overlay:?}");
        }
        if lag >= secret.len() {
            side.answer(enter, &format!("\r\n{prompt}"), answered);
        }
        // The program is given them one by one, and the host says later that it has not answered.
        let number = side.number;
        for given in enter..=number + late as u64 {
            side.now += ms(40);
            side.acks.echoed = given.saturating_sub(late as u64).max(side.acks.echoed);
            side.answer(given.min(number), "", false);
            let overlay = side.predictor.overlay(&side.screen);
            prop_assert!(overlay.cells.is_empty(), "{overlay:?}");
        }
        prop_assert!(side.predictor.overlay(&side.screen).is_empty());
        prop_assert_eq!(side.predictor.counts().shown, 0);
    }
}

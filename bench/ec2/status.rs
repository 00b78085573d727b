//! `status` over many machines: its own time is what is left when the time in which AWS (the lab) was answering is
//! taken away.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::record::{mark, since, waited};
use crate::common::env::TestEnv;
use crate::common::terminal::Terminal;
use crate::crowd;
use crate::harness::{Lab, Machines, REGION};
use crate::lab::{SIZE, median};
use crate::report::{Goal, Row, Section};

const ROUNDS: usize = 5;
/// Own time with 20 instances, in seconds.
const GOAL: f64 = 1.0;

struct World {
    lab: Lab,
    env: TestEnv,
    runtime: tokio::runtime::Runtime,
    /// A session that lives: the others get its tags.
    pattern: String,
    /// Its instance and those that were made after it.
    made: usize,
}

/// What one `status --json` took.
struct Took {
    all: Duration,
    aws: f64,
    calls: usize,
}

pub fn measure() -> Vec<Section> {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let run = ["--keep", "--command", "exec sleep 3000"];
    let pattern = env.dispatch(&run);
    let mut world = World {
        runtime: tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime"),
        made: 1,
        lab,
        env,
        pattern,
    };
    let mut rows = vec![world.row("1 instance", "it answers")];
    world.env.dispatch(&run);
    let third = world.env.dispatch(&run);
    world.made += 2;
    world.fill(20);
    let some = "3 answer, the others refuse";
    rows.push(world.row("20 instances", some));
    world.lab.control().post("set", &json!({ "page": 5 }));
    rows.push(world.row("20 instances, 5 a page", some));
    world.lab.control().post("set", &json!({ "page": 0 }));
    world.lab.control().post("set", &json!({ "page": 50 }));
    world.fill(200);
    rows.push(world.row("200 instances, 50 a page", some));
    world.lab.control().post("set", &json!({ "page": 20 }));
    rows.push(world.row("200 instances, 20 a page", some));
    world.freeze(&third);
    let shown = format!(
        "2 answer, 1 is silent; on a terminal the table begins after {:.2} s",
        world.first_line()
    );
    rows.push(world.row("200 instances, one silent", &shown));
    let own = |who: &str| {
        let row = rows.iter().find(|r| r.who == who);
        row.and_then(|r| r.values.first().copied())
    };
    let (twenty, many) = (
        own("20 instances, 5 a page"),
        own("200 instances, 50 a page"),
    );
    let goals = vec![
        Goal {
            text: format!("20 instances, 5 a page: at most {GOAL} s of our own"),
            met: twenty.map(|s| s <= GOAL),
        },
        Goal {
            text: "200 instances: at most ten times what 20 take".to_owned(),
            met: own("20 instances")
                .zip(many)
                .map(|(few, many)| many <= 10.0 * few),
        },
    ];
    vec![Section {
        title: "Status of many instances",
        how: format!(
            "`remote status --json`, all instances from the same tags. Ours: all of it less the time in which the lab was \
             answering a call. Median of {ROUNDS}, the machines known from before. A host that is silent is waited for \
             2 s, all of them together for 6 s at most; that wait is in the last row, and is not computing."
        ),
        columns: vec!["s of ours", "s of AWS", "s in all", "calls"],
        rows,
        base: "1 instance",
        goals,
    }]
}

impl World {
    fn row(&self, who: &str, note: &str) -> Row {
        // The first one writes down what is new.
        let first = self.status();
        let took: Vec<Took> = (0..ROUNDS).map(|_| self.status()).collect();
        let seconds = |of: &dyn Fn(&Took) -> f64| {
            median(
                took.iter()
                    .map(|t| Duration::from_secs_f64(of(t)))
                    .collect(),
            )
            .as_secs_f64()
        };
        let all = seconds(&|t| t.all.as_secs_f64());
        let ours = |t: &Took| (t.all.as_secs_f64() - t.aws).max(0.0);
        let calls = took.first().map_or(0, |t| t.calls);
        let note = format!("{note}; the first time {:.2} s of ours", ours(&first));
        Row::new(
            who,
            &[seconds(&ours), seconds(&|t| t.aws), all, calls as f64],
        )
        .note(note)
    }

    fn status(&self) -> Took {
        let control = self.lab.control();
        let before = mark(&control);
        let begun = Instant::now();
        let ran = self.env.ok(&["status", "--json"]);
        let all = begun.elapsed();
        let shown: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!(
            shown.as_array().map(Vec::len),
            Some(self.made),
            "all of them"
        );
        let calls = since(&control, before);
        Took {
            all,
            aws: waited(&calls),
            calls: calls.len(),
        }
    }

    /// Seconds until a terminal shows the first session.
    fn first_line(&self) -> f64 {
        let begun = Instant::now();
        let mut size = SIZE;
        size.rows = 250;
        let mut terminal = Terminal::spawn_bare(self.env.remote(&["status"]), size);
        terminal.wait_raw(0, b"session-");
        let took = begun.elapsed();
        terminal.wait_exit();
        took.as_secs_f64()
    }

    /// Instances without machines, until there are so many.
    fn fill(&mut self, count: usize) {
        let ec2 = self.lab.ec2(REGION);
        let more = count - self.made;
        self.runtime
            .block_on(crowd::join(&ec2, &self.pattern, more));
        self.made = count;
    }

    fn freeze(&self, session: &str) {
        let ec2 = self.lab.ec2(REGION);
        let id = self.runtime.block_on(crowd::instance(&ec2, session)).0;
        self.lab.control().kill(&id, "freeze");
    }
}

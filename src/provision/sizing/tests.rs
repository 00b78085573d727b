//! The choices the manual promises, on the sizes and prices of real types.

use proptest::prelude::*;

use super::*;
use crate::config::Origin;
use crate::model::Arch;

fn shapes() -> Vec<Shape> {
    let sizes = [
        ("large", 2, 1),
        ("xlarge", 4, 2),
        ("2xlarge", 8, 4),
        ("4xlarge", 16, 8),
        ("8xlarge", 32, 16),
        ("metal", 128, 64),
    ];
    let families = [
        ("c6i", 4, 85_000, Arch::X86_64),
        ("m6i", 8, 96_000, Arch::X86_64),
        ("r6i", 16, 126_000, Arch::X86_64),
        ("m7g", 8, 81_600, Arch::Arm64),
    ];
    let mut all: Vec<Shape> = families
        .iter()
        .flat_map(|(family, gib, price, arch)| {
            sizes.iter().map(move |(size, vcpus, times)| Shape {
                name: format!("{family}.{size}"),
                vcpus: *vcpus,
                memory_mib: gib * times * GIB,
                arch: *arch,
                burstable: false,
                od_microusd_per_hour: Some(price * times),
            })
        })
        .collect();
    for (family, arch, small) in [("t3", Arch::X86_64, 20_800), ("t4g", Arch::Arm64, 16_800)] {
        for (size, vcpus, times) in [
            ("small", 2, 1),
            ("medium", 2, 2),
            ("large", 2, 4),
            ("xlarge", 4, 8),
        ] {
            all.push(Shape {
                name: format!("{family}.{size}"),
                vcpus,
                memory_mib: 2 * times * GIB,
                arch,
                burstable: true,
                od_microusd_per_hour: Some(small * times),
            });
        }
    }
    all
}

fn wish(task: &str) -> Wish<'_> {
    Wish {
        task,
        repository: None,
        agents: 1,
        instance: None,
        memory_mib: None,
        vcpus: None,
    }
}

fn auto() -> Auto<'static> {
    Auto {
        family: "m6i",
        max_price: Money::micros(1_000_000),
        rules: &[],
    }
}

fn chosen(wish: &Wish<'_>, auto: &Auto<'_>) -> (String, String) {
    match choose(wish, auto, &shapes()) {
        Ok(choice) => (choice.shape.name, choice.why),
        Err(e) => ("-".to_owned(), e.to_string()),
    }
}

fn of(wish: &Wish<'_>) -> (String, String) {
    chosen(wish, &auto())
}

fn is(chosen: (String, String), name: &str, why: &str) {
    assert_eq!((chosen.0.as_str(), chosen.1.as_str()), (name, why));
}

const MEDIUM: Repository = Repository {
    bytes: 200 << 20,
    files: 3_000,
};
const LARGE: Repository = Repository {
    bytes: 9 << 30,
    files: 90_000,
};

#[test]
fn words_choose() {
    is(
        of(&wish("fix typo in readme")),
        "t3.small",
        "one agent, light work (\"typo\")",
    );
    let api = wish("add rate limit to api endpoints");
    is(
        of(&Wish {
            repository: Some(MEDIUM),
            ..api
        }),
        "m6i.large",
        "one agent, medium repository",
    );
    is(
        of(&Wish {
            repository: Some(LARGE),
            ..api
        }),
        "m6i.xlarge",
        "one agent, large repository",
    );
    is(
        of(&wish("run full integration suite")),
        "m6i.4xlarge",
        "one agent, heavy work (\"suite\")",
    );
}

#[test]
fn more_agents_get_more_memory() {
    let memory = |agents| {
        let wish = Wish {
            agents,
            ..wish("add rate limit")
        };
        choose(&wish, &auto(), &shapes()).map(|c| c.shape.memory_mib / GIB)
    };
    assert_eq!([1, 2, 4, 8].map(memory), [Ok(8), Ok(16), Ok(32), Ok(64)]);
    let light = Wish {
        agents: 3,
        ..wish("fix typo")
    };
    is(of(&light), "t3.large", "3 agents, light work (\"typo\")");
}

#[test]
fn words_alone_stay_under_the_price() {
    let many = Wish {
        agents: 4,
        ..wish("run full integration suite")
    };
    is(
        of(&many),
        "m6i.4xlarge",
        "4 agents, heavy work (\"suite\"); m6i.8xlarge would be over $1.00/h (auto.max_price)",
    );
    let cheap = Auto {
        max_price: Money::micros(50_000),
        ..auto()
    };
    is(
        chosen(&wish("add rate limit"), &cheap),
        "-",
        "every type of m6i costs more than $0.05 an hour (auto.max_price)",
    );
    // Numbers and names are a person's word.
    let asked = Wish {
        memory_mib: Some(128 * GIB),
        ..wish("x")
    };
    is(
        chosen(&asked, &cheap),
        "r6i.4xlarge",
        "the cheapest with --memory 128gb",
    );
    let named = Wish {
        instance: Some("m6i.8xlarge"),
        ..wish("x")
    };
    is(chosen(&named, &cheap), "m6i.8xlarge", "as asked for");
}

#[test]
fn numbers_look_at_the_siblings_too() {
    let asked = Wish {
        memory_mib: Some(64 * GIB),
        vcpus: Some(8),
        ..wish("fix typo")
    };
    is(
        of(&asked),
        "r6i.2xlarge",
        "the cheapest with --cpu 8 and --memory 64gb",
    );
    let cpus = Wish {
        vcpus: Some(8),
        ..wish("fix typo")
    };
    is(of(&cpus), "c6i.2xlarge", "the cheapest with --cpu 8");
    let huge = Wish {
        vcpus: Some(999),
        ..wish("x")
    };
    is(of(&huge), "-", "no type like m6i has 999 vCPU and 8 GiB");
}

#[test]
fn light_work_is_of_the_familys_architecture() {
    let arm = Auto {
        family: "m7g",
        ..auto()
    };
    assert_eq!(chosen(&wish("fix typo"), &arm).0, "t4g.small");
    assert_eq!(chosen(&wish("fix a bug"), &arm).0, "m7g.large");
    let none = Auto {
        family: "m99",
        ..auto()
    };
    is(
        chosen(&wish("fix typo"), &none),
        "-",
        "there is no instance type family `m99`",
    );
}

#[test]
fn rules_decide_and_slips_are_told() -> Result<(), String> {
    let rules = [
        AutoRule::new("suite", "m6i.8xlarge", Origin::BuiltIn)?,
        AutoRule::new("typo", "m6i.lrge", Origin::BuiltIn)?,
    ];
    let auto = Auto {
        rules: &rules,
        ..auto()
    };
    is(
        chosen(&wish("the suite"), &auto),
        "m6i.8xlarge",
        "by your rule \"suite\"",
    );
    let slip = choose(&wish("fix typo"), &auto, &shapes());
    assert_eq!(
        slip,
        Err(SizingError::Unknown {
            name: "m6i.lrge".to_owned(),
            near: Some("m6i.large".to_owned()),
            rule: Some("typo".to_owned()),
        })
    );
    Ok(())
}

#[test]
fn sizes_are_typed_in_several_ways() {
    for text in ["50gb", "50GiB", "50 G", " 50g "] {
        assert_eq!(parse_size(text), Ok(50 << 30), "{text}");
    }
    assert_eq!(parse_size("1.5tb"), Ok(1536 << 30));
    assert_eq!(parse_size("512mb"), Ok(512 << 20));
    for text in [
        "",
        "50",
        "gb",
        "-1gb",
        "0gb",
        "50kb",
        "$5gb",
        "5 usdgb",
        "9999999999999999tb",
        "1e3gb",
    ] {
        assert!(parse_size(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn whatever_is_said_the_price_is_kept(
        task in ".*", agents: u32, bytes: u64, files: u64, max in 0..3_000_000_u64,
    ) {
        let wish = Wish { repository: Some(Repository { bytes, files }), agents, ..wish(&task) };
        let auto = Auto { max_price: Money::micros(max), ..auto() };
        if let Ok(choice) = choose(&wish, &auto, &shapes()) {
            prop_assert!(choice.shape.od_microusd_per_hour <= Some(max));
            prop_assert!(!choice.shape.burstable || matches!(weight(&task), Weight::Light(_)));
        }
    }

    #[test]
    fn no_size_panics(text in ".*") {
        let _ = parse_size(&text);
    }
}

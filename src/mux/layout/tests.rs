//! Whatever is done to a tree, its panes fill any area and each can be reached.

use proptest::prelude::*;

use super::*;

const AREA: Rect = Rect {
    x: 3,
    y: 1,
    w: 120,
    h: 40,
};

#[derive(Debug, Clone)]
enum Step {
    Split(usize, Axis),
    Remove(usize),
    Focus(usize),
    Resize(Direction, u16),
    Drag(usize, u16, u16),
    Swap(bool),
    Rotate(bool),
    Preset,
    Zoom,
    Cycle(bool),
    Last,
    Move(Direction),
}

fn direction() -> impl Strategy<Value = Direction> {
    use Direction::{Down, Left, Right, Up};
    prop::sample::select(vec![Left, Right, Up, Down])
}

fn step() -> impl Strategy<Value = Step> {
    let axis = prop::sample::select(vec![Axis::Across, Axis::Down]);
    prop_oneof![
        4 => (any::<usize>(), axis).prop_map(|(at, axis)| Step::Split(at, axis)),
        1 => any::<usize>().prop_map(Step::Remove),
        1 => any::<usize>().prop_map(Step::Focus),
        2 => (direction(), 0u16..30).prop_map(|(d, n)| Step::Resize(d, n)),
        2 => (any::<usize>(), 0u16..130, 0u16..50).prop_map(|(b, x, y)| Step::Drag(b, x, y)),
        1 => any::<bool>().prop_map(Step::Swap),
        1 => any::<bool>().prop_map(Step::Rotate),
        1 => Just(Step::Preset),
        1 => Just(Step::Zoom),
        1 => any::<bool>().prop_map(Step::Cycle),
        1 => Just(Step::Last),
        1 => direction().prop_map(Step::Move),
    ]
}

fn apply(tree: &mut Tree, step: &Step, next: &mut PaneId, area: Rect) {
    let panes = tree.panes();
    let pick = |at: usize| panes[at % panes.len()];
    match *step {
        Step::Split(at, axis) => {
            if tree.split(pick(at), axis, *next, area).is_ok() {
                *next += 1;
            }
        }
        Step::Remove(at) => assert_eq!(tree.remove(pick(at)), panes.len() > 1),
        Step::Focus(at) => tree.set_focus(pick(at)),
        Step::Resize(direction, cells) => tree.resize(direction, cells, area),
        Step::Drag(at, x, y) => {
            let borders = tree.places(area).borders;
            if !borders.is_empty() {
                tree.drag(&borders[at % borders.len()], x, y, area);
            }
        }
        Step::Swap(forward) => tree.swap(forward),
        Step::Rotate(forward) => tree.rotate(forward),
        Step::Preset => tree.next_preset(),
        Step::Zoom => tree.zoom(),
        Step::Cycle(forward) => tree.cycle(forward),
        Step::Last => tree.focus_last(),
        Step::Move(direction) => {
            if let Some(pane) = tree.neighbour(direction, area) {
                assert_ne!(pane, tree.focus());
                tree.set_focus(pane);
            }
        }
    }
}

/// Splits have two parts or more, none of the same axis; panes are there once; focus and last are among them.
fn check(tree: &Tree) {
    fn node(node: &Node) {
        if let Node::Split { axis, parts } = node {
            assert!(parts.len() > 1);
            for part in parts {
                assert!(!matches!(&part.node, Node::Split { axis: inner, .. } if inner == axis));
                node_of(&part.node);
            }
        }
    }
    fn node_of(inner: &Node) {
        node(inner);
    }
    node(&tree.root);
    let mut panes = tree.panes();
    assert!(panes.contains(&tree.focus) && tree.last.is_none_or(|last| panes.contains(&last)));
    let n = panes.len();
    panes.sort_unstable();
    panes.dedup();
    assert_eq!(panes.len(), n);
}

/// Panes and borders cover each cell of the area once.
fn covers(tree: &Tree, area: Rect) {
    let places = tree.places(area);
    let mut seen = vec![0u8; usize::from(area.w) * usize::from(area.h)];
    let rects = places.panes.iter().map(|(_, r)| *r);
    for rect in rects.chain(places.borders.iter().map(|b| b.rect)) {
        for y in rect.y..rect.y + rect.h {
            for x in rect.x..rect.x + rect.w {
                assert!(area.contains(x, y), "{rect:?} leaves {area:?}");
                let at = usize::from(y - area.y) * usize::from(area.w) + usize::from(x - area.x);
                seen[at] += 1;
            }
        }
    }
    assert!(seen.iter().all(|n| *n == 1), "{tree:?} in {area:?}");
    assert_eq!(places.of(tree.focus()).is_some(), !area.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_the_panes_fill_any_area(
        steps in prop::collection::vec(step(), 0..40),
        small in (0u16..12, 0u16..8),
    ) {
        let (mut tree, mut next) = (Tree::new(0), 1);
        for step in &steps {
            apply(&mut tree, step, &mut next, AREA);
            check(&tree);
            covers(&tree, AREA);
        }
        covers(&tree, Rect::new(0, 0, small.0, small.1));
        // All can be reached, by going on and by a click or a direction where they are shown.
        let all = tree.panes();
        let mut reached = vec![tree.focus()];
        for _ in &all {
            tree.cycle(true);
            reached.push(tree.focus());
        }
        prop_assert!(all.iter().all(|p| reached.contains(p)));
        let text = serde_json::to_string(&tree).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Tree>(&text).expect("a tree"), tree);
    }

    #[test]
    fn every_pane_is_reached_by_directions(steps in prop::collection::vec(step(), 0..20)) {
        let (mut tree, mut next) = (Tree::new(0), 1);
        for step in &steps {
            apply(&mut tree, step, &mut next, AREA);
        }
        if tree.zoomed() {
            tree.zoom();
        }
        let mut reached = vec![tree.focus()];
        let mut at = 0;
        while let Some(pane) = reached.get(at).copied() {
            tree.set_focus(pane);
            // Not where one came from, but where the place leads.
            tree.last = None;
            for d in [Direction::Left, Direction::Right, Direction::Up, Direction::Down] {
                if let Some(to) = tree.neighbour(d, AREA).filter(|to| !reached.contains(to)) {
                    reached.push(to);
                }
            }
            at += 1;
        }
        prop_assert_eq!(reached.len(), tree.places(AREA).panes.len());
    }
}

fn rect(tree: &Tree, pane: PaneId) -> Rect {
    tree.places(Rect::new(0, 0, 81, 25))
        .of(pane)
        .expect("a place")
}

#[test]
fn splits_halve_and_resizing_moves_a_border() {
    let area = Rect::new(0, 0, 81, 25);
    let mut tree = Tree::new(1);
    tree.split(1, Axis::Across, 2, area).expect("room");
    assert_eq!(rect(&tree, 1), Rect::new(0, 0, 40, 25));
    assert_eq!(rect(&tree, 2), Rect::new(41, 0, 40, 25));
    tree.split(2, Axis::Down, 3, area).expect("room");
    assert_eq!(rect(&tree, 3), Rect::new(41, 13, 40, 12));
    tree.resize(Direction::Left, 5, area);
    assert_eq!(rect(&tree, 1).w, 35);
    tree.set_focus(1);
    tree.resize(Direction::Right, 2, area);
    assert_eq!(rect(&tree, 1).w, 37);
    let places = tree.places(area);
    let border = places.border_at(50, 12).expect("a border");
    tree.drag(border, 50, 4, area);
    assert_eq!(rect(&tree, 2).h, 4);
    tree.drag(&tree.places(area).borders[0].clone(), 500, 0, area);
    assert_eq!(rect(&tree, 2).w, LEAST.0);
}

#[test]
fn directions_lead_to_neighbours_and_around() {
    let area = Rect::new(0, 0, 81, 25);
    let mut tree = Tree::new(1);
    tree.split(1, Axis::Across, 2, area).expect("room");
    tree.split(2, Axis::Down, 3, area).expect("room");
    assert_eq!(tree.neighbour(Direction::Up, area), Some(2));
    assert_eq!(tree.neighbour(Direction::Left, area), Some(1));
    assert_eq!(tree.neighbour(Direction::Right, area), Some(1));
    tree.set_focus(1);
    // Back to where one came from.
    assert_eq!(tree.neighbour(Direction::Right, area), Some(3));
    tree.focus_last();
    assert_eq!(tree.focus(), 3);
    tree.zoom();
    assert_eq!(tree.places(area).panes, [(3, area)]);
}

#[test]
fn presets_and_tabs() {
    let mut tree = Tree::new(1);
    for pane in 2..=5 {
        tree.add(pane, Preset::Tiled);
    }
    let places = tree.places(Rect::new(0, 0, 80, 24));
    assert_eq!(places.panes.len(), 5);
    tree.arrange(Preset::MainVertical);
    assert_eq!(rect(&tree, 1).h, 25);
    assert!(rect(&tree, 1).w > 40);
    let mut tabs = Tabs::default();
    tabs.open(1);
    let area = Rect::new(0, 0, 80, 24);
    let first = |tabs: &mut Tabs| tabs.shown_mut().expect("a tab").tree.focus();
    tabs.shown_mut()
        .expect("a tab")
        .tree
        .split(1, Axis::Down, 2, area)
        .expect("room");
    tabs.break_out();
    assert_eq!((tabs.all().len(), tabs.current()), (2, 1));
    tabs.show_last();
    assert_eq!(first(&mut tabs), 1);
    tabs.remove(1);
    assert_eq!((tabs.all().len(), first(&mut tabs)), (1, 2));
    tabs.remove(2);
    assert!(tabs.is_empty() && tabs.shown().is_none());
    tabs.cycle(true);
    assert!(!tabs.show(0));
}

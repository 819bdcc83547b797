//! Who ends with how much: worked examples.
#![allow(clippy::unwrap_used, reason = "a test that fails")]

use proffer_allocator::{
    Allocator, Demand, For, FrameworkInfo, PortRequest, Quota, Settings, Sorter, Strategy, Taking, Time, Turn, Weight,
};
use proffer_resources::{Amount, Limits, Quantities, ResourceBag, ResourceName, Resources, Role};
use std::collections::BTreeMap;

type Books = Allocator<String, &'static str>;

fn role(text: &str) -> Role {
    Role::new(text).unwrap()
}

fn bag(text: &str) -> ResourceBag {
    text.parse().unwrap()
}

fn quantities(text: &str) -> Quantities {
    bag(text).quantities()
}

fn limits(text: &str) -> Limits {
    quantities(text).iter().collect()
}

fn cluster(settings: Settings, agents: usize, each: &str) -> Books {
    let mut books = Books::new(settings);
    for number in 0..agents {
        books.set_agent(&format!("n{number:03}"), bag(each), true);
    }
    books
}

fn subscribe(books: &mut Books, framework: &'static str, in_role: &str, taking: Taking) {
    let info = FrameworkInfo { roles: [role(in_role)].into(), taking, ..FrameworkInfo::default() };
    books.set_framework(&framework, info);
}

/// A framework whose tasks all ask for the same.
#[derive(Clone, Copy)]
struct Same {
    name: &'static str,
    role: &'static str,
    cpus: u64,
    mem: u64,
}

/// Places tasks, one a turn, until nobody has one that fits, and returns how many each has.
fn place_all(books: &mut Books, frameworks: &[Same]) -> BTreeMap<&'static str, usize> {
    for same in frameworks {
        subscribe(books, same.name, same.role, Taking::Placement);
    }
    let mut tasks: BTreeMap<&'static str, usize> = frameworks.iter().map(|same| (same.name, 0)).collect();
    books.begin_run(Time(0));
    while let Some(turn) = books.next_turn() {
        let Turn::Place { framework, role } = turn else { unreachable!("nobody takes offers") };
        let same = frameworks.iter().find(|same| same.name == framework).unwrap();
        let asks = Resources::of(Amount::from_units(same.cpus), Amount::from_units(same.mem));
        let demand = Demand::new(&asks, PortRequest::None);
        match books.place(&demand, For { framework: &framework, role: &role }, Strategy::BinPack) {
            Some((agent, given)) => {
                books.allocate(&agent, &framework, &role, &given);
                *tasks.entry(framework).or_default() += 1;
            }
            None => books.pass(&framework, &role),
        }
        books.check_quota().unwrap();
    }
    books.check_invariants().unwrap();
    tasks
}

/// Offers resources run after run; who gets an offer launches one task and gives the rest back, or declines for good if not
/// even one fits. Returns how many tasks each has.
fn one_task_an_offer(books: &mut Books, frameworks: &[Same]) -> BTreeMap<&'static str, usize> {
    for same in frameworks {
        subscribe(books, same.name, same.role, Taking::Offers);
    }
    let mut tasks: BTreeMap<&'static str, usize> = frameworks.iter().map(|same| (same.name, 0)).collect();
    for now in 0..1000 {
        let now = Time(now);
        books.begin_run(now);
        // One at a time, so that the next goes to whoever has least by then.
        let Some(Turn::Offer(offer)) = books.next_turn() else { break };
        books.end_run();
        let same = frameworks.iter().find(|same| same.name == offer.framework).unwrap();
        let task = bag(&format!("cpus:{};mem:{}", same.cpus, same.mem));
        if books.launch_from(offer.number, &task) {
            *tasks.entry(offer.framework).or_default() += 1;
            books.end_offer(offer.number, None, now);
        } else {
            books.end_offer(offer.number, Some(Time(i64::MAX)), now);
        }
        books.wake(&frameworks[0].name);
        for same in frameworks {
            books.wake(&same.name);
        }
        books.check_invariants().unwrap();
    }
    tasks
}

/// Ghodsi et al., "Dominant Resource Fairness" (NSDI 2011), section 4.1: 9 CPUs and 18 GB; each task of A wants 1 CPU and
/// 4 GB, each of B 3 CPUs and 1 GB.
///
/// A's dominant resource is memory, 4/18 = 2/9 a task; B's is CPU, 3/9 = 1/3 a task. Served in turn by the smaller dominant
/// share: A 2/9, B 1/3, A 4/9, B 2/3, A 6/9; then 3 + 6 = 9 CPUs are gone. A has 3 tasks, B has 2, each a share of 2/3.
#[test]
fn the_papers_example() {
    let frameworks = [Same { name: "A", role: "a", cpus: 1, mem: 4 }, Same { name: "B", role: "b", cpus: 3, mem: 1 }];
    let expected = BTreeMap::from([("A", 3), ("B", 2)]);
    for placing in [place_all, one_task_an_offer] {
        let mut books = cluster(Settings { min_allocatable: vec![], ..Settings::default() }, 1, "cpus:9;mem:18");
        assert_eq!(placing(&mut books, &frameworks), expected);
        assert_eq!((books.share(&"A").thousandths(), books.share(&"B").thousandths()), (666, 666));
    }
    // Within one role, the framework sorter does the same.
    let same_role = frameworks.map(|same| Same { role: "both", ..same });
    let mut books = cluster(Settings { min_allocatable: vec![], ..Settings::default() }, 1, "cpus:9;mem:18");
    assert_eq!(place_all(&mut books, &same_role), expected);
}

/// 12 CPUs, tasks of one CPU.
#[test]
fn weights_and_trees() {
    type Case = (&'static str, &'static [(&'static str, u32)], &'static [(&'static str, &'static str, usize)]);
    let cases: &[Case] = &[
        // Equal weights: half each.
        ("equal", &[], &[("x", "a", 6), ("y", "b", 6)]),
        // 1 to 3 of 12 is 3 to 9.
        ("weighted", &[("b", 3000)], &[("x", "a", 3), ("y", "b", 9)]),
        // Below 1: a half to one is 4 to 8.
        ("light", &[("a", 500)], &[("x", "a", 4), ("y", "b", 8)]),
        // eng and ops get 6 each; eng's 6 go half and half to its two.
        ("tree", &[], &[("x", "eng/a", 3), ("y", "eng/b", 3), ("z", "ops", 6)]),
        // eng counts double: 8 to 4; inside, 1 to 3 of 8 is 2 to 6.
        ("weighted tree", &[("eng", 2000), ("eng/b", 3000)], &[("x", "eng/a", 2), ("y", "eng/b", 6), ("z", "ops", 4)]),
        // eng's own framework is as one more role below eng: 6 to ops, 3 and 3 inside eng.
        ("inner role", &[], &[("x", "eng", 3), ("y", "eng/b", 3), ("z", "ops", 6)]),
        // Two frameworks of one role share what the role gets.
        ("two in a role", &[], &[("x", "a", 3), ("y", "a", 3), ("z", "b", 6)]),
        // Three levels: a gets 6; a/b gets 3 of it, a/b/c all of that, as a/b has no other.
        ("deep", &[], &[("x", "a", 3), ("y", "a/b/c", 3), ("z", "d", 6)]),
    ];
    for (what, weights, expected) in cases {
        let mut books = cluster(Settings::default(), 3, "cpus:4;mem:100");
        for (name, weight) in *weights {
            books.set_weight(&role(name), Weight::from_thousandths(*weight));
        }
        let frameworks: Vec<Same> =
            expected.iter().map(|&(name, role, _)| Same { name, role, cpus: 1, mem: 1 }).collect();
        let got = place_all(&mut books, &frameworks);
        assert_eq!(got, expected.iter().map(|(name, _, tasks)| (*name, *tasks)).collect(), "{what}");
    }
}

/// Sums of what one run offers, by framework.
fn offered(books: &mut Books, now: i64) -> BTreeMap<&'static str, String> {
    let mut sums: BTreeMap<&'static str, ResourceBag> = BTreeMap::new();
    books.begin_run(Time(now));
    loop {
        let before = books.clone();
        let Some(turn) = books.next_turn() else { break };
        let Turn::Offer(offer) = turn else { unreachable!("nobody places") };
        before.check_turn(&offer, Time(now)).unwrap();
        sums.entry(offer.framework).or_default().add(&offer.resources);
    }
    books.check_invariants().unwrap();
    sums.into_iter().map(|(framework, sum)| (framework, sum.to_string())).collect()
}

/// Three agents of 4 CPUs. prod is guaranteed 8: as long as it has none, others get 12 - 8 = 4. When it comes, it gets its
/// 8, whatever the others' shares.
#[test]
fn guarantees_are_kept_free_and_then_met() {
    let mut books = cluster(Settings::default(), 3, "cpus:4");
    books.set_quota(&role("prod"), Quota { guarantees: quantities("cpus:8"), ..Quota::default() }).unwrap();
    subscribe(&mut books, "rest", "rest", Taking::Offers);
    assert_eq!(offered(&mut books, 0), [("rest", "cpus:4".to_owned())].into());
    let why = books.explain_no_offers(&"rest", &role("rest"), Time(0)).to_string();
    assert_eq!(
        why,
        "2 agents are kept free for other roles, which are guaranteed more than they have; 1 agent has nothing free"
    );
    subscribe(&mut books, "prod", "prod", Taking::Offers);
    assert_eq!(offered(&mut books, 1), [("prod", "cpus:8".to_owned())].into());
}

/// A guarantee of 6 on agents of 4, with a limit of 6: one whole agent, and 2 chopped off the next. The other 2 of that and
/// the third agent are for the rest.
#[test]
fn quota_chops_agents() {
    let mut books = cluster(Settings::default(), 3, "cpus:4");
    let quota = Quota { guarantees: quantities("cpus:6"), limits: limits("cpus:6") };
    books.set_quota(&role("prod"), quota).unwrap();
    subscribe(&mut books, "rest", "rest", Taking::Offers);
    subscribe(&mut books, "prod", "prod", Taking::Offers);
    assert_eq!(offered(&mut books, 0), [("prod", "cpus:6".to_owned()), ("rest", "cpus:6".to_owned())].into());
    books.check_quota().unwrap();
}

/// Limits bound a role and all below it together; what is reserved for it counts, used or not; memory, which the limit does
/// not name, is not bounded.
#[test]
fn limits_bound_whole_subtrees() {
    let mut books = cluster(Settings::default(), 3, "cpus:4;mem:100");
    books.set_quota(&role("eng"), Quota { limits: limits("cpus:6"), ..Quota::default() }).unwrap();
    subscribe(&mut books, "x", "eng/a", Taking::Offers);
    subscribe(&mut books, "y", "eng/b", Taking::Offers);
    let got = offered(&mut books, 0);
    let sum: Quantities = got.values().fold(Quantities::default(), |sum, text| sum.plus(&quantities(text)));
    assert_eq!(sum, quantities("cpus:6;mem:300"), "{got:?}");
    books.check_quota().unwrap();

    let mut books = cluster(Settings::default(), 1, "cpus:4;mem:100;cpus(eng):4");
    books.set_quota(&role("eng"), Quota { limits: limits("cpus:5"), ..Quota::default() }).unwrap();
    subscribe(&mut books, "x", "eng/a", Taking::Offers);
    assert_eq!(offered(&mut books, 0), [("x", "cpus:1;cpus(eng):4;mem:100".to_owned())].into());
    assert_eq!(books.consumed(&role("eng")), quantities("cpus:5;mem:100"));
}

#[test]
fn quotas_that_cannot_be_are_refused() {
    let mut books = cluster(Settings::default(), 0, "");
    let guarantee = Quota { guarantees: quantities("cpus:2"), limits: limits("cpus:1") };
    assert!(books.set_quota(&role("eng"), guarantee).is_err());
    let below = Quota { guarantees: quantities("cpus:2"), ..Quota::default() };
    assert!(books.set_quota(&role("eng/a"), below).is_err());
}

/// Of 4,000 offers of one agent, weights 1 and 3 give 1,000 and 3,000, but for chance (a standard deviation of 27).
#[test]
fn the_random_sorter_goes_by_weights() {
    let settings = Settings { role_sorter: Sorter::Random, seed: Some(3), ..Settings::default() };
    let mut books = cluster(settings, 1, "cpus:4");
    books.set_weight(&role("b"), Weight::from_thousandths(3000));
    subscribe(&mut books, "x", "a", Taking::Offers);
    subscribe(&mut books, "y", "b", Taking::Offers);
    let mut heavy = 0;
    for now in 0..4000 {
        let offers = books.run(Time(now));
        assert_eq!(offers.len(), 1);
        heavy += i32::from(offers[0].framework == "y");
        books.end_offer(offers[0].number, None, Time(now));
    }
    assert!((heavy - 3000).abs() < 150, "{heavy}");
    books.check_invariants().unwrap();
}

/// One round of a cluster where tasks take two intervals: the oldest end, what is free is offered, and whoever gets an offer
/// fills it with its tasks.
struct Rounds {
    books: Books,
    tasks: Vec<(i64, String, Same)>,
    frameworks: Vec<Same>,
}

impl Rounds {
    fn join(&mut self, same: Same) {
        subscribe(&mut self.books, same.name, same.role, Taking::Offers);
        self.frameworks.push(same);
    }

    fn round(&mut self, now: i64) {
        let (ended, running) =
            std::mem::take(&mut self.tasks).into_iter().partition(|(started, ..)| *started + 2 <= now);
        self.tasks = running;
        let ended: Vec<(i64, String, Same)> = ended;
        for (_, agent, same) in ended {
            let held = bag(&format!("cpus:{};mem:{}", same.cpus, same.mem));
            self.books.release(&agent, &same.name, &role(same.role), &held);
        }
        for offer in self.books.run(Time(now)) {
            let same = *self.frameworks.iter().find(|same| same.name == offer.framework).unwrap();
            let task = bag(&format!("cpus:{};mem:{}", same.cpus, same.mem));
            while self.books.launch_from(offer.number, &task) {
                self.tasks.push((now, offer.agent.clone(), same));
            }
            self.books.end_offer(offer.number, None, Time(now));
        }
        self.books.check_invariants().unwrap();
    }

    /// Whether each has its fair part of all CPUs, within one of the largest task.
    fn is_fair(&self) -> bool {
        let total = self.books.total().cpus.thousandths();
        let fair = total / self.frameworks.len() as u64;
        let largest = self.frameworks.iter().map(|same| same.cpus * 1000).max().unwrap_or(0);
        self.frameworks.iter().all(|same| self.books.claim(&same.name).cpus.thousandths().abs_diff(fair) <= largest)
    }
}

/// 40 agents of 4 CPUs; X has tasks of 1 CPU, Y of 4, and Z, who comes later, of 2. Two share 80 and 80; three, 53.3 each.
#[test]
fn frameworks_of_different_sizes_converge_and_reconverge_within_three_intervals() {
    let books = cluster(Settings::default(), 40, "cpus:4;mem:64");
    let mut rounds = Rounds { books, tasks: vec![], frameworks: vec![] };
    rounds.join(Same { name: "X", role: "x", cpus: 1, mem: 1 });
    // X is alone for a while, and has it all.
    (0..4).for_each(|now| rounds.round(now));
    assert_eq!(rounds.books.share(&"X").thousandths(), 1000);
    rounds.join(Same { name: "Y", role: "y", cpus: 4, mem: 1 });
    (4..7).for_each(|now| rounds.round(now));
    assert!(rounds.is_fair(), "{:?}", rounds.books.share(&"X"));
    rounds.join(Same { name: "Z", role: "z", cpus: 2, mem: 1 });
    (7..10).for_each(|now| rounds.round(now));
    assert!(rounds.is_fair(), "{:?}", rounds.books.share(&"Z"));
    for now in 10..30 {
        rounds.round(now);
        assert!(rounds.is_fair(), "in round {now}");
    }
}

/// What others excluded from shares do not count: GPUs here, of which X has all.
#[test]
fn excluded_resources_do_not_count() {
    let excluded = [ResourceName::Gpus].into();
    let settings = Settings { excluded_from_shares: excluded, filter_gpus: false, ..Settings::default() };
    let mut books = cluster(settings, 2, "cpus:4");
    books.allocate(&"n000".to_owned(), &"X", &role("x"), &bag("gpus:4"));
    books.set_agent(&"n000".to_owned(), bag("cpus:4;gpus:4"), true);
    subscribe(&mut books, "X", "x", Taking::Offers);
    assert_eq!((books.share(&"X").thousandths(), offered(&mut books, 0).len()), (0, 1));
}

//! What is measured.

use crate::cluster::{AGENT, Books, agent, bag, cluster, framework, named, role, subscribe};
use proffer_allocator::{Quota, Settings, Sorter, Time};
use proffer_measure::{Figure, Scenario, Size, line, logarithms, timed, to_float};
use proffer_resources::{Resource, ResourceBag};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Benchmarks by name.
pub(crate) const ALL: [(&str, Scenario); 9] = [
    ("cycle", cycle),
    ("decline", decline),
    ("suppress", suppress),
    ("add", add),
    ("multi_framework", multi_framework),
    ("large_and_small_quota", large_and_small_quota),
    ("non_quota_vs_quota", non_quota_vs_quota),
    ("reregistration", reregistration),
    ("one_event", one_event),
];

const SECOND: i64 = 1_000_000;

/// Agents and frameworks of Mesos' `SlaveAndFrameworkCount`: along each of its two axes, and its far corner.
const SIZES: [(usize, usize); 14] = [
    (1_000, 1_000),
    (5_000, 1_000),
    (10_000, 1_000),
    (20_000, 1_000),
    (30_000, 1_000),
    (50_000, 1_000),
    (10_000, 1),
    (10_000, 50),
    (10_000, 100),
    (10_000, 200),
    (10_000, 500),
    (10_000, 3_000),
    (10_000, 6_000),
    (50_000, 6_000),
];

/// One allocation cycle: every agent is free and is offered to one of 1,000 frameworks in 100 roles. Small clusters are
/// measured over more cycles.
fn cycle(size: Size) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut points = Vec::new();
    let sizes: &[usize] = size.pick(&[1_000, 5_000, 10_000, 20_000, 30_000, 50_000], &[500, 1_000, 2_000]);
    for &agents in sizes {
        let mut books = cluster(agents, AGENT, 1_000, 100);
        let cycles = u32::try_from(150_000 / agents).unwrap_or(1).max(5);
        let (mut cycling, mut declining, mut offered, mut longest) =
            (Duration::ZERO, Duration::ZERO, 0, Duration::ZERO);
        for number in 0..cycles {
            let now = Time(i64::from(number) * SECOND);
            let (time, offers) = timed(|| books.run(now));
            (cycling, longest, offered) = (cycling + time, longest.max(time), offered + offers.len());
            let (time, ()) = timed(|| {
                for offer in &offers {
                    books.end_offer(offer.number, None, now);
                }
            });
            declining += time;
        }
        let each = cycling / cycles;
        let sizes = format!("{agents} agents, 1000 frameworks");
        let figure = Figure::ms(format!("{sizes}: a cycle, mean of {cycles} ({offered} offers)"), each);
        figures.push(match agents {
            10_000 => figure.aim(100.0),
            50_000 => figure.aim(1000.0),
            _ => figure,
        });
        figures.push(Figure::ms(format!("{sizes}: the longest cycle"), longest));
        figures.push(Figure::ms(format!("{sizes}: all declined"), declining / cycles));
        points.push((to_float(agents as u64), each.as_secs_f64() * 1e6));
    }
    let fit = line(&points);
    figures.push(Figure::of("linear fit: offset", fit.offset, "us"));
    figures.push(Figure::of("linear fit: each agent", fit.slope, "us"));
    figures.push(Figure::of("linear fit: part of the variance explained (R^2)", fit.explained, ""));
    // 1 is linear. What is above comes of caches: the books of 1,000 agents fit in them, those of 50,000 do not.
    let growth = Figure::of("log-log fit: exponent of the number of agents", line(&logarithms(&points)).slope, "");
    figures.push(size.pick(growth.clone().aim(1.25), growth));
    figures
}

/// Mesos' `DeclineOffers`: frameworks decline everything with a filter of 365 days; in the end nobody can be offered anything.
fn decline(size: Size) -> Vec<Figure> {
    let mut figures = Vec::new();
    // Until nobody can be offered anything; then the large ones, where that would take long.
    let to_the_end = size.of(&[(1_000, 200), (1_000, 1_000)]).into_iter().map(|(agents, all)| (agents, all, all));
    let some = size.of(&SIZES).into_iter().map(|(agents, frameworks)| (agents, frameworks, 10));
    for (agents, frameworks, rounds) in to_the_end.chain(some) {
        let mut books = cluster(agents, AGENT, frameworks, 100);
        let (mut longest, mut sum, mut offered) = (Duration::ZERO, Duration::ZERO, 0);
        let (mut declining, mut declined) = (Duration::ZERO, 0u32);
        for round in 0..rounds {
            let now = Time(i64::try_from(round).unwrap_or(0) * SECOND);
            let (time, offers) = timed(|| books.run(now));
            (longest, sum, offered) = (longest.max(time), sum + time, offered + offers.len());
            let (time, ()) = timed(|| {
                for offer in offers {
                    books.end_offer(offer.number, Some(Time(i64::MAX)), now);
                    declined += 1;
                }
            });
            declining += time;
        }
        let sizes = format!("{agents} agents, {frameworks} frameworks");
        figures.push(Figure::ms(
            format!("{sizes}: a cycle, mean of {rounds} ({offered} offers)"),
            sum / u32::try_from(rounds).unwrap_or(1),
        ));
        figures.push(Figure::ms(format!("{sizes}: the longest cycle"), longest));
        figures.push(Figure::of(
            format!("{sizes}: a decline"),
            declining.as_secs_f64() * 1e6 / f64::from(declined.max(1)),
            "us",
        ));
        if rounds >= frameworks {
            for framework_number in 0..frameworks {
                books.wake(&framework(framework_number));
            }
            let (time, offers) = timed(|| books.run(Time(i64::MAX - 1)));
            figures.push(Figure::ms(format!("{sizes}: a cycle where all is declined ({} offers)", offers.len()), time));
        }
    }
    figures
}

/// Mesos' `SuppressOffers`: frameworks suppress one by one, with a cycle over all agents for each 1 % of them.
fn suppress(size: Size) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (agents, frameworks) in size.of(&SIZES) {
        let mut books = cluster(agents, AGENT, frameworks, 100);
        let (mut suppressing, mut cycles, mut longest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let rounds = 10;
        for round in 0..rounds {
            let (time, offers) = timed(|| books.run(Time(round * SECOND)));
            (cycles, longest) = (cycles + time, longest.max(time));
            for offer in offers {
                books.end_offer(offer.number, None, Time(round * SECOND));
            }
            let (time, ()) = timed(|| {
                for number in (0..frameworks).filter(|number| number % 10 == usize::try_from(round).unwrap_or(0)) {
                    books.suppress(&framework(number), &BTreeSet::new());
                }
            });
            suppressing += time;
        }
        let (last, offers) = timed(|| books.run(Time(rounds * SECOND)));
        let sizes = format!("{agents} agents, {frameworks} frameworks");
        figures.push(Figure::ms(format!("{sizes}: all suppressed"), suppressing));
        figures.push(Figure::ms(format!("{sizes}: a cycle, mean of {rounds}"), cycles / 10));
        figures.push(Figure::ms(format!("{sizes}: the longest cycle"), longest));
        figures.push(Figure::ms(format!("{sizes}: a cycle with all suppressed ({} offers)", offers.len()), last));
    }
    figures
}

/// Mesos' `AddAndUpdateSlave`: frameworks and agents come; then every agent gets revocable resources.
fn add(size: Size) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (agents, frameworks) in size.of(&SIZES) {
        let (time, mut books) = timed(|| cluster(agents, AGENT, frameworks, 100));
        let sizes = format!("{agents} agents, {frameworks} frameworks");
        figures.push(Figure::ms(format!("{sizes}: all added"), time));
        let more = Resource::scalar("cpus", proffer_resources::Amount::from_units(10)).as_revocable();
        let total = bag(AGENT).plus(&ResourceBag::from(more));
        let (time, ()) = timed(|| (0..agents).for_each(|number| books.set_agent(&agent(number), total.clone(), true)));
        figures.push(Figure::ms(format!("{sizes}: all updated"), time));
    }
    figures
}

/// Tasks of one kind of framework.
struct Work {
    role: &'static str,
    frameworks: usize,
    tasks: usize,
    task: &'static str,
    most_per_offer: usize,
}

/// Mesos' `MultiFrameworkAllocations`: 80 agents; 4 Marathons with 4,000 tasks each, 500 Jenkins with 5, 50 Sparks with 20.
fn multi_framework(_: Size) -> Vec<Figure> {
    let kinds = [
        Work { role: "marathon", frameworks: 4, tasks: 4000, task: "cpus:0.07;mem:400", most_per_offer: 100 },
        Work { role: "jenkins", frameworks: 500, tasks: 5, task: "cpus:0.1;mem:4096", most_per_offer: 1 },
        Work { role: "spark", frameworks: 50, tasks: 20, task: "cpus:1;mem:1024", most_per_offer: 5 },
    ];
    let run = || {
        let mut books = cluster(80, "cpus:64;mem:499712;disk:1000000;ports:[31000-32000]", 0, 1);
        let mut work: BTreeMap<String, (usize, &Work, ResourceBag)> = BTreeMap::new();
        for kind in &kinds {
            for number in 0..kind.frameworks {
                let name = format!("{}-{number}", kind.role);
                subscribe(&mut books, &name, &named(kind.role));
                work.insert(name, (kind.tasks, kind, bag(kind.task)));
            }
        }
        let (mut cycles, mut offered, mut launched) = (0i64, 0u64, 0u64);
        while !work.is_empty() && cycles < 10_000 {
            let now = Time(cycles * SECOND);
            for offer in books.run(now) {
                offered += 1;
                let Some((left, kind, task)) = work.get_mut(&offer.framework) else { continue };
                for _ in 0..kind.most_per_offer.min(*left) {
                    if !books.launch_from(offer.number, task) {
                        break;
                    }
                    *left -= 1;
                    launched += 1;
                }
                let done = *left == 0;
                books.end_offer(offer.number, (!done).then_some(Time(now.0 + SECOND)), now);
                if done {
                    books.suppress(&offer.framework, &BTreeSet::new());
                    work.remove(&offer.framework);
                }
            }
            cycles += 1;
        }
        (launched, offered, cycles)
    };
    let (time, (launched, offered, cycles)) = timed(run);
    vec![
        Figure::ms(format!("554 frameworks, {launched} tasks in {offered} offers and {cycles} cycles"), time)
            .aim(2000.0),
        Figure::of("tasks not launched", to_float(19_500 - launched), "").aim(0.0),
    ]
}

fn guaranteed(text: &str) -> Quota {
    let guarantees = bag(text).quantities();
    Quota { limits: guarantees.iter().collect(), guarantees }
}

fn sorted(sorter: Sorter) -> Books {
    Books::new(Settings { role_sorter: sorter, framework_sorter: sorter, seed: Some(1), ..Settings::default() })
}

/// Mesos' `LargeAndSmallQuota`: five of six roles are guaranteed half an agent, one of six three agents; one cycle.
fn large_and_small_quota(_: Size) -> Vec<Figure> {
    let mut figures = Vec::new();
    for sorter in [Sorter::Drf, Sorter::Random] {
        for agents in [30, 300, 3_000] {
            let mut books = sorted(sorter);
            for number in 0..agents {
                let quota = if number % 6 == 0 { "cpus:72;mem:12288" } else { "cpus:12;mem:2048" };
                if books.set_quota(&role(number), guaranteed(quota)).is_err() {
                    return figures;
                }
                subscribe(&mut books, &framework(number), &role(number));
                books.set_agent(&agent(number), bag(AGENT), true);
            }
            let (time, offers) = timed(|| books.run(Time(0)));
            figures.push(Figure::ms(
                format!("{sorter:?}, {agents} agents and roles: one cycle ({} offers)", offers.len()),
                time,
            ));
        }
    }
    figures
}

/// Mesos' `NonQuotaVsQuota`: two agents and two frameworks a role, without and with quota; one cycle.
fn non_quota_vs_quota(_: Size) -> Vec<Figure> {
    let mut figures = Vec::new();
    for sorter in [Sorter::Drf, Sorter::Random] {
        for (roles, quota) in [(10, false), (10, true), (100, false), (100, true), (1_000, false), (1_000, true)] {
            let mut books = sorted(sorter);
            for number in 0..roles {
                if quota && books.set_quota(&role(number), guaranteed("cpus:48;mem:8192")).is_err() {
                    return figures;
                }
                for which in [2 * number, 2 * number + 1] {
                    subscribe(&mut books, &framework(which), &role(number));
                    books.set_agent(&agent(which), bag(AGENT), true);
                }
            }
            let (time, offers) = timed(|| books.run(Time(0)));
            let with = if quota { "with quota" } else { "no quota" };
            figures.push(Figure::ms(
                format!("{sorter:?}, {roles} roles, {with}: one cycle ({} offers)", offers.len()),
                time,
            ));
        }
    }
    figures
}

/// The allocator's part of Mesos' `AgentReregistrationDelay`: agents come back, each with its tasks.
fn reregistration(size: Size) -> Vec<Figure> {
    let mut figures = Vec::new();
    let sizes = [(2_000, 5, 20), (20_000, 1, 5), (40_000, 5, 2), (50_000, 5, 4)];
    for (agents, frameworks, tasks) in sizes.into_iter().take(size.pick(4, 1)) {
        let (time, books) = timed(|| {
            let mut books = cluster(0, AGENT, 1_000, 100);
            let (total, task) = (bag("cpus:24;mem:4096;disk:4096;ports:[31000-32000]"), bag("cpus:0.1;mem:32"));
            for number in 0..agents {
                let name = agent(number);
                books.set_agent(&name, total.clone(), true);
                for which in 0..frameworks {
                    let which = (number * frameworks + which) % 1_000;
                    for _ in 0..tasks {
                        books.allocate(&name, &framework(which), &role(which % 100), &task);
                    }
                }
            }
            books
        });
        let all = agents * frameworks * tasks;
        let figure = Figure::ms(format!("{agents} agents with {frameworks} x {tasks} tasks ({all} in all)"), time);
        figures.push(if agents == 40_000 { figure.aim(10_000.0) } else { figure });
        drop(books);
    }
    figures
}

/// One task ends on a full cluster, and its agent is offered: what an event costs.
fn one_event(size: Size) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (agents, frameworks) in size.of(&[(1_000, 1_000), (10_000, 1_000), (50_000, 1_000)]) {
        let mut books = cluster(agents, AGENT, frameworks, 100);
        let task = bag(AGENT);
        let mut whose = Vec::new();
        for offer in books.run(Time(0)) {
            books.launch_from(offer.number, &task);
            books.end_offer(offer.number, None, Time(0));
            whose.push((offer.agent, offer.framework, offer.role));
        }
        books.run(Time(0));
        whose.truncate(1_000);
        let events = whose.len();
        let (time, offers) = timed(|| {
            let mut offers = 0;
            for (name, which, role) in whose {
                books.release(&name, &which, &role, &task);
                offers += books.run(Time(1)).len();
            }
            offers
        });
        let each = time.as_secs_f64() * 1e6 / to_float(events.max(1) as u64);
        figures.push(Figure::of(
            format!("{agents} agents, 1000 frameworks: a task ends ({events} events, {offers} offers)"),
            each,
            "us",
        ));
    }
    figures
}

//! How many writes are on their way at once: fewer while the API server is slow to answer. Pure.
//!
//! A flood of writes must not make others wait for the API server, the leader's own Lease above all: an API server at its
//! limit answers no sooner for being asked more at once. So the window follows the time that answers take, as TCP's does:
//! a little larger with each timely answer, much smaller with a late one (additive increase, multiplicative decrease).

use crate::clock::Boot;
use std::time::Duration;

/// An answer within this time is timely, however much faster others were.
const TIMELY: Duration = Duration::from_millis(50);
/// An API server that is far away is not slow: only an answer that took so many times the shortest one is late.
const LATE: u32 = 4;
/// So many are always allowed.
const LEAST: f64 = 4.0;
/// The window before anything is known.
const FIRST: f64 = 16.0;
/// What a late answer leaves of it.
const SHRINK: f64 = 0.7;

/// The window.
#[derive(Clone, Debug)]
pub(super) struct Window {
    size: f64,
    most: f64,
    shortest: Duration,
    /// Writes that began before this were on their way when it last shrank: their being late is the same news.
    shrunk: Boot,
}

impl Window {
    /// A window of at most `most` writes.
    pub(super) fn new(most: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "1,024 at most")]
        let most = (most as f64).max(1.0);
        Self { size: FIRST.min(most), most, shortest: Duration::MAX, shrunk: Boot::default() }
    }

    /// How many writes may be on their way.
    pub(super) fn size(&self) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 1,024")]
        let size = self.size as usize;
        size
    }

    /// A write that began then has ended now.
    pub(super) fn ended(&mut self, began: Boot, now: Boot) {
        let took = now.since(began);
        self.shortest = self.shortest.min(took);
        if took <= TIMELY.max(self.shortest * LATE) {
            self.size = (self.size + 1.0 / self.size).min(self.most);
        } else if began >= self.shrunk {
            self.size = (self.size * SHRINK).max(LEAST.min(self.most));
            self.shrunk = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    fn at(micros: u64) -> Boot {
        Boot::from_micros(1_000_000 + micros)
    }

    /// A server that answers one write after the other, each after `service` and `distance` more, and a client that always
    /// has more to write, for 20 seconds. Gives the writes of the last second and their longest time, in microseconds.
    fn against(service: u64, distance: u64, most: usize) -> (usize, u64) {
        let mut window = Window::new(most);
        let (mut now, mut free) = (0, 0);
        let mut under_way = VecDeque::new();
        let (mut count, mut longest) = (0, 0);
        while now < 20_000_000 {
            while under_way.len() < window.size() {
                free = now.max(free) + service;
                under_way.push_back((now, free + distance));
            }
            let (began, end) = under_way.pop_front().unwrap();
            now = now.max(end);
            window.ended(at(began), at(now));
            if now > 19_000_000 {
                count += 1;
                longest = longest.max(now - began);
            }
        }
        (count, longest)
    }

    #[test]
    fn a_server_at_its_limit_is_kept_busy_and_answers_soon() {
        for (service, distance, most, rate, latency) in [
            // 333 a second: 64 at once would wait 192 ms each.
            (3_000, 0, 64, 333, 60_000),
            (3_000, 5_000, 64, 333, 70_000),
            // 20 a second.
            (50_000, 0, 64, 20, 260_000),
            // Fast: the bound is the setting.
            (100, 0, 64, 10_000, 6_500),
            // Far away: not slow.
            (100, 200_000, 64, 300, 210_000),
            (3_000, 0, 2, 333, 6_100),
        ] {
            let (count, longest) = against(service, distance, most);
            assert!(count * 20 >= rate * 19, "{service} {distance} {most}: {count} a second");
            assert!(longest <= latency, "{service} {distance} {most}: {longest} us");
        }
    }

    #[test]
    fn late_answers_of_one_moment_count_once() {
        let mut window = Window::new(64);
        for _ in 0..10 {
            window.ended(at(0), at(1_000));
        }
        let before = window.size();
        for write in 0..10 {
            window.ended(at(2_000 + write), at(900_000 + write));
        }
        assert_eq!(window.size(), before * 7 / 10);
        window.ended(at(900_010), at(1_900_000));
        assert!(window.size() < before * 6 / 10);
    }

    #[test]
    fn it_stays_within_its_bounds() {
        for most in [1, 2, 64, 1024] {
            let mut window = Window::new(most);
            for step in 0..2_000u64 {
                window.ended(at(step * 2_000_000), at(step * 2_000_000 + 1_000_000));
                window.ended(at(step * 2_000_000), at(step * 2_000_000 + 10));
            }
            assert!(window.size() >= most.min(4) && window.size() <= most, "{most}: {}", window.size());
            for step in 0..600_000u64 {
                window.ended(at(step), at(step + 10));
            }
            assert_eq!(window.size(), most);
        }
    }
}

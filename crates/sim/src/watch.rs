//! What a leader knows of the API server: the newest version of each object that it was told, over watches that lag,
//! break, resume, tell old things again, or have to list everything anew.

use crate::api_server::{Change, Object, Stream, Subject, Version};
use crate::happening::{Happening, LeaderId};
use crate::planted::Planted;
use crate::simulation::Simulation;
use proffer_master::Time;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// The newest known version of each object. An older one never replaces a newer one.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    entries: BTreeMap<Subject, Rc<Version>>,
    deletions: BTreeMap<Subject, u64>,
}

/// What changed on the shelf.
#[derive(Clone, Debug)]
pub(crate) enum News {
    Applied(Rc<Version>),
    Deleted(Rc<Version>),
}

impl Shelf {
    pub(crate) fn get(&self, subject: &Subject) -> Option<&Rc<Version>> {
        self.entries.get(subject)
    }

    /// Takes in a version of an object, if it is newer than what is known.
    pub(crate) fn put(&mut self, version: &Rc<Version>) -> Vec<News> {
        let subject = version.object.subject();
        if self.deletions.get(&subject).is_some_and(|deleted| *deleted >= version.revision) {
            return Vec::new();
        }
        let known = self.entries.get(&subject);
        if known.is_some_and(|known| known.revision >= version.revision) {
            return Vec::new();
        }
        let replaced = known.filter(|known| known.object.uid() != version.object.uid()).cloned();
        self.entries.insert(subject, Rc::clone(version));
        replaced.map(News::Deleted).into_iter().chain([News::Applied(Rc::clone(version))]).collect()
    }

    /// Takes in that an object was deleted, unless a newer one is known.
    pub(crate) fn delete(&mut self, last: &Version) -> Vec<News> {
        let subject = last.object.subject();
        if self.entries.get(&subject).is_some_and(|known| known.revision > last.revision) {
            return Vec::new();
        }
        // An old deletion that is told again does not bring back what was deleted since.
        let deleted = self.deletions.entry(subject.clone()).or_default();
        *deleted = last.revision.max(*deleted);
        self.entries.remove(&subject).map(News::Deleted).into_iter().collect()
    }

    fn revisions(&self, stream: Stream) -> BTreeMap<Subject, u64> {
        let of_it = self.entries.iter().filter(|(subject, _)| subject.stream() == stream);
        of_it.map(|(subject, version)| (subject.clone(), version.revision)).collect()
    }
}

/// A list of everything of one stream.
#[derive(Debug)]
pub(crate) struct Listing {
    versions: Vec<Rc<Version>>,
    /// What the leader knew when it asked.
    before: BTreeMap<Subject, u64>,
    /// Where the watch goes on.
    position: usize,
}

/// How a broken watch goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// From where it was.
    Onward,
    /// From before that: the replica that answers is behind.
    Behind,
    /// Not at all: its place is compacted away (410), and everything is listed anew.
    List,
}

/// One watch of a leader.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Counts connections; what an earlier one was about to tell is lost.
    generation: u64,
    /// Whether it is connected.
    open: bool,
    /// How much of the history is on its way or told.
    sent: usize,
    /// How much is told.
    told: usize,
    /// When the last thing on its way arrives.
    arrives_at: Time,
}

impl Watch {
    /// A watch that goes on from a place in the history.
    pub(crate) fn from(position: usize) -> Self {
        Self { open: true, sent: position, told: position, ..Self::default() }
    }
}

impl Simulation {
    /// What changed at the API server is on its way to every open watch, in order.
    pub(crate) fn tell_watches(&mut self) {
        let lengths = Stream::ALL.map(|stream| self.api.history(stream).len());
        for index in 0..self.leaders.len() {
            if !self.leaders[index].alive {
                continue;
            }
            for stream in Stream::ALL {
                let watch = &self.leaders[index].watches[stream as usize];
                if watch.open && watch.sent < lengths[stream as usize] {
                    self.send_history(LeaderId(index), stream);
                }
            }
        }
    }

    fn send_history(&mut self, id: LeaderId, stream: Stream) {
        let most = if self.is_rough() { self.plan.rates.watch_delay } else { Duration::from_millis(20) };
        let length = self.api.history(stream).len();
        for position in self.leaders[id.0].watches[stream as usize].sent..length {
            let delay = self.random.delay(Duration::from_micros(200), most);
            let change = self.api.history(stream)[position].clone();
            let watch = &mut self.leaders[id.0].watches[stream as usize];
            watch.arrives_at = self.now.after(delay).max(watch.arrives_at);
            let told = Happening::Told(id, stream, watch.generation, change, position + 1);
            self.agenda.at(watch.arrives_at, told);
        }
        self.leaders[id.0].watches[stream as usize].sent = length;
    }

    pub(crate) fn watch_tells(&mut self, id: LeaderId, stream: Stream, generation: u64, change: &Change, next: usize) {
        let back = self.has(Planted::GoesBackInTime);
        let leader = &mut self.leaders[id.0];
        let watch = &mut leader.watches[stream as usize];
        if !leader.alive || watch.generation != generation {
            return;
        }
        watch.told = next;
        if back {
            leader.shelf = Shelf::default();
        }
        let news =
            if change.deleted { leader.shelf.delete(&change.version) } else { leader.shelf.put(&change.version) };
        self.news(id, news);
    }

    /// A watch breaks, and what is on its way is lost. It is connected again after a while.
    pub(crate) fn cut_watch(&mut self, id: LeaderId, stream: Stream, gone_for: Duration, resume: Resume) {
        let watch = &mut self.leaders[id.0].watches[stream as usize];
        watch.generation += 1;
        watch.open = false;
        let generation = watch.generation;
        self.agenda.at(self.now.after(gone_for), Happening::Reconnects(id, stream, generation, resume));
    }

    /// A watch is connected again: from where it was, from before that, or, if its place is compacted away, with a list.
    pub(crate) fn watch_reconnects(&mut self, id: LeaderId, stream: Stream, generation: u64, resume: Resume) {
        let unreachable = self.is_cut_off(self.leaders[id.0].replica);
        let leader = &mut self.leaders[id.0];
        if !leader.alive || leader.watches[stream as usize].generation != generation {
            return;
        }
        if unreachable {
            let again = Happening::Reconnects(id, stream, generation, resume);
            self.soon(again, Duration::from_millis(100), Duration::from_secs(1));
            return;
        }
        let watch = &mut leader.watches[stream as usize];
        if resume == Resume::List {
            let length = self.api.history(stream).len();
            let mut versions: Vec<Rc<Version>> =
                self.api.all().filter(|version| version.object.subject().stream() == stream).cloned().collect();
            if self.has(Planted::TrustsStaleList) {
                // From a replica that is behind: what was made lately is not in it.
                let newest = versions.iter().map(|version| version.revision).max().unwrap_or(0);
                versions.retain(|version| version.revision + 20 < newest);
            }
            let before = self.leaders[id.0].shelf.revisions(stream);
            let listing = Listing { versions, before, position: length };
            let listed = Happening::Listed(id, stream, generation, Box::new(listing));
            self.soon(listed, Duration::from_millis(2), Duration::from_millis(200));
        } else {
            let again = if resume == Resume::Onward { 0 } else { 30 };
            watch.sent = watch.told.saturating_sub(again);
            watch.open = true;
        }
    }

    /// A list is complete: what was known before it and is not in it is gone. What changed meanwhile is looked at live.
    pub(crate) fn listed(&mut self, id: LeaderId, stream: Stream, generation: u64, listing: Listing) {
        let Listing { versions, before, position } = listing;
        let leader = &mut self.leaders[id.0];
        if !leader.alive || leader.watches[stream as usize].generation != generation {
            return;
        }
        let mut listed = std::collections::BTreeSet::new();
        let mut news = Vec::new();
        for version in &versions {
            listed.insert(version.object.subject());
            news.extend(leader.shelf.put(version));
        }
        for (subject, revision) in before {
            if listed.contains(&subject) {
                continue;
            }
            let Some(known) = leader.shelf.get(&subject).cloned() else { continue };
            if known.revision == revision {
                news.extend(leader.shelf.delete(&known));
            } else {
                match self.api.get(&subject) {
                    Some(version) => news.extend(leader.shelf.put(version)),
                    None => news.extend(leader.shelf.delete(&known)),
                }
            }
        }
        let watch = &mut leader.watches[stream as usize];
        watch.open = true;
        watch.sent = position;
        watch.told = position;
        watch.arrives_at = self.now;
        self.news(id, news);
    }

    /// Reads an object live.
    pub(crate) fn look(&mut self, id: LeaderId, subject: &Subject) {
        let leader = &mut self.leaders[id.0];
        let known = leader.shelf.get(subject).cloned();
        let news = match (self.api.get(subject), known) {
            (Some(version), _) => leader.shelf.put(version),
            (None, Some(known)) => leader.shelf.delete(&known),
            (None, None) => Vec::new(),
        };
        self.news(id, news);
    }

    fn news(&mut self, id: LeaderId, news: Vec<News>) {
        for one in news {
            let (version, deleted) = match &one {
                News::Applied(version) => (version, false),
                News::Deleted(version) => (version, true),
            };
            if let (Object::Task(stored), false) = (&version.object, deleted) {
                self.oracle.sees(id, &stored.object.id, version.revision);
            }
            self.hear(id, &one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_master::{AgentName, Slot};

    fn version(revision: u64, uid: &str) -> Rc<Version> {
        let slot = Slot {
            pod: "slot".to_owned(),
            uid: uid.to_owned(),
            address: None,
            running: true,
            resources: proffer_resources::Resources::default(),
        };
        Rc::new(Version { revision, object: Object::Slot(AgentName("node".to_owned()), slot) })
    }

    #[test]
    fn what_is_told_again_out_of_the_past_is_no_news() {
        let mut shelf = Shelf::default();
        assert_eq!(shelf.put(&version(1, "a")).len(), 1);
        assert_eq!(shelf.put(&version(1, "a")).len(), 0);
        // The first one's deletion was not told: the second one tells it.
        assert_eq!(shelf.put(&version(5, "b")).len(), 2);
        assert_eq!(shelf.delete(&version(3, "a")).len(), 0);
        assert_eq!(shelf.delete(&version(7, "b")).len(), 1);
        for (old, deleted) in [(version(3, "a"), true), (version(5, "b"), false), (version(6, "b"), false)] {
            assert_eq!(if deleted { shelf.delete(&old) } else { shelf.put(&old) }.len(), 0, "{old:?}");
        }
        assert_eq!(shelf.put(&version(8, "c")).len(), 1);
    }
}

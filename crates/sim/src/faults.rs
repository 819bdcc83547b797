//! How things fail.

use crate::api_server::{Lease, Stream, Subject};
use crate::fault::FaultKind;
use crate::happening::{CommandEnd, Happening, LeaderId};
use crate::node::Crash;
use crate::random::Random;
use crate::simulation::Simulation;
use crate::watch::Resume;
use proffer_master::{Epoch, TaskId};
use std::time::Duration;

impl Simulation {
    /// A fault of this kind happens.
    pub(crate) fn fail(&mut self, kind: FaultKind, random: &mut Random) {
        let (millis, seconds) = (Duration::from_millis, Duration::from_secs);
        let leader = self.leaders.iter().rposition(|leader| leader.alive).map(LeaderId);
        let leading = leader.map(|id| self.leaders[id.0].replica);
        let node = random.index(self.nodes.len()).unwrap_or(0);
        let replica = random.index(self.replicas.len()).unwrap_or(0);
        match (kind, leading) {
            (FaultKind::LeaderKilled, Some(replica)) => self.crash_replica(replica),
            (FaultKind::LeaderPaused, Some(replica)) => {
                let until = self.now.after(random.between(millis(300), seconds(12)));
                self.replicas[replica].paused_until = until.max(self.replicas[replica].paused_until);
            }
            (FaultKind::LeaderTerminated, Some(replica)) => self.terminate_replica(replica),
            (FaultKind::CrashAtWrite, Some(replica)) if random.in_thousand(500) => {
                self.replicas[replica].crash = Some((1 + random.below(12), random.in_thousand(500)));
            }
            (FaultKind::CrashAtWrite, _) => {
                let crash = random.one_of(&[Crash::Before, Crash::After, Crash::PowerCut, Crash::PowerCut]);
                self.nodes[node].crash = crash.map(|crash| (1 + random.below(8), crash));
            }
            (FaultKind::DiskFailed, _) => self.nodes[node].crash = Some((1 + random.below(3), Crash::Before)),
            (FaultKind::ApiUnavailable, _) => {
                self.api_down_until = self.now.after(random.between(millis(200), seconds(8)));
                self.cut_watches(leader, random, seconds(1), Resume::Onward);
            }
            (FaultKind::WatchCut, _) => {
                let resume = if random.in_thousand(500) { Resume::List } else { Resume::Onward };
                self.cut_watches(leader, random, seconds(2), resume);
            }
            (FaultKind::WatchHalfOpen, _) => self.cut_watches(leader, random, seconds(5), Resume::Onward),
            (FaultKind::StaleReplica, _) => self.cut_watches(leader, random, millis(500), Resume::Behind),
            (FaultKind::SecondWriter, _) => self.touch_tasks(random),
            (FaultKind::LeaseTampered, _) => self.tamper_with_lease(random),
            (FaultKind::AgentKilled, _) => self.kill_agent(node),
            (FaultKind::AgentPaused, _) => {
                let shorter = random.in_thousand(500);
                let pause = if shorter {
                    random.between(millis(200), seconds(5))
                } else {
                    random.between(seconds(7), seconds(15))
                };
                self.nodes[node].paused_until = self.now.after(pause).max(self.nodes[node].paused_until);
            }
            (FaultKind::HostRebooted, _) => self.lose_node(node, random, seconds(20)),
            (FaultKind::InitKilled, _) => self.kill_init(node, random),
            (FaultKind::LinkPartitioned, _) => self.partition(node, random),
            (FaultKind::ApiPartitioned, _) => {
                let until = self.now.after(random.between(millis(300), seconds(8)));
                if random.in_thousand(300) {
                    let index = random.index(self.schedulers.len()).unwrap_or(0);
                    self.schedulers[index].down_until = until;
                } else {
                    self.replicas[leading.unwrap_or(replica)].cut_off_until = until;
                    self.cut_watches(leader, random, seconds(5), Resume::Onward);
                }
            }
            (FaultKind::SchedulerCrashed, _) => {
                let index = random.index(self.schedulers.len()).unwrap_or(0);
                self.schedulers[index].down_until = self.now.after(random.between(millis(500), seconds(15)));
            }
            (FaultKind::NodeDeleted, _) if random.in_thousand(500) => self.evict_slot(node, random),
            (FaultKind::NodeDeleted, _) => self.delete_node(node, random),
            (FaultKind::MassLoss, _) => {
                if let Some(replica) = leading {
                    self.crash_replica(replica);
                }
                for index in 0..self.nodes.len() {
                    if index == node || random.in_thousand(250) {
                        self.lose_node(index, random, seconds(30));
                    }
                }
            }
            // Nobody leads, or it is not a single event.
            _ => {}
        }
    }

    /// After this, nothing fails any more, and what is wrong heals.
    pub(crate) fn calm_down(&mut self) {
        self.api_down_until = self.now;
        for replica in &mut self.replicas {
            replica.cut_off_until = self.now;
            replica.crash = None;
        }
        for index in 0..self.nodes.len() {
            self.nodes[index].mute_until = self.now;
            self.nodes[index].deaf_until = self.now;
            self.nodes[index].crash = None;
            self.nodes[index].spawn_fails = false;
        }
    }

    fn cut_watches(&mut self, leader: Option<LeaderId>, random: &mut Random, longest: Duration, resume: Resume) {
        let Some(leader) = leader else { return };
        for stream in Stream::ALL {
            if random.in_thousand(600) {
                let gone_for = random.between(Duration::from_millis(5), longest);
                self.cut_watch(leader, stream, gone_for, resume);
            }
        }
    }

    /// Somebody writes labels onto some tasks, again and again.
    fn touch_tasks(&mut self, random: &mut Random) {
        let ids: Vec<TaskId> = self.api.tasks().map(|stored| stored.object.id.clone()).collect();
        for id in ids {
            if random.in_thousand(500) {
                self.api.change_task(&id, |_| {});
            }
        }
    }

    fn tamper_with_lease(&mut self, random: &mut Random) {
        let Some(lease) = self.api.lease.clone() else { return };
        // A process that has never seen the Lease, of an epoch that is in no object yet, would count from below.
        let known = self.replicas.iter().all(|replica| replica.knows(lease.transitions));
        let edited = match random.below(if known { 4 } else { 2 }) {
            0 => Some(Lease { holder: None, ..lease }),
            1 => Some(Lease { holder: Some((usize::MAX, 0)), ..lease }),
            2 => Some(Lease { transitions: Epoch(1), ..lease }),
            _ => None,
        };
        let revision = self.api.lease_revision;
        self.api.put_lease(edited, revision);
    }

    pub(crate) fn lose_node(&mut self, node: usize, random: &mut Random, longest: Duration) {
        if self.nodes[node].powered {
            self.power_off(node, random.in_thousand(150));
        }
        let on = self.now.after(random.between(Duration::from_millis(500), longest));
        self.agenda.at(on, Happening::PowerOn(node));
    }

    fn kill_init(&mut self, node: usize, random: &mut Random) {
        let node_now = &mut self.nodes[node];
        let running = |(_, command): &(&String, &crate::node::Command)| command.exit.is_none();
        let uids: Vec<String> = node_now.commands.iter().filter(running).map(|(uid, _)| uid.clone()).collect();
        match random.one_of(&uids) {
            Some(uid) => self.agenda.at(self.now, Happening::CommandEnds(node, uid, CommandEnd::WithoutRecord)),
            None => node_now.spawn_fails = true,
        }
    }

    /// Nothing gets through in one direction or both; if that lasts, the connection ends too.
    fn partition(&mut self, node: usize, random: &mut Random) {
        let lasts = random.between(Duration::from_millis(200), Duration::from_secs(12));
        let until = self.now.after(lasts);
        let ways = random.below(3);
        if ways != 0 {
            self.nodes[node].mute_until = until;
        }
        if ways != 1 {
            self.nodes[node].deaf_until = until;
        }
        if lasts > Duration::from_secs(4)
            && random.in_thousand(700)
            && let Some(link) = self.nodes[node].link
        {
            self.break_link(link);
        }
    }

    /// The slot pod is evicted, and all that runs in it ends; the controller makes another.
    fn evict_slot(&mut self, node: usize, random: &mut Random) {
        if !std::mem::replace(&mut self.nodes[node].has_slot, false) {
            return;
        }
        self.api.remove(&Subject::Slot(self.nodes[node].name.clone()));
        let pod_uid = self.nodes[node].slot().uid;
        self.end_commands(node, "its slot was evicted");
        let ended: Vec<String> = self.nodes[node].commands.keys().cloned().collect();
        for uid in ended {
            self.agenda.at(self.now, Happening::ExitSeen(node, self.nodes[node].incarnation, uid));
        }
        let message = "the slot pod is gone".to_owned();
        self.agent_event(node, proffer_agent::Event::SlotDetached { pod_uid, message });
        let made = self.now.after(random.between(Duration::from_millis(500), Duration::from_secs(6)));
        self.agenda.at(made, Happening::SlotMade(node));
    }

    /// A node is removed from the cluster; later another of its name joins.
    fn delete_node(&mut self, node: usize, random: &mut Random) {
        if self.nodes[node].powered {
            self.power_off(node, true);
        }
        self.nodes[node].exists = false;
        self.nodes[node].has_slot = false;
        self.api.remove(&Subject::Slot(self.nodes[node].name.clone()));
        let joins = self.now.after(random.between(Duration::from_secs(3), Duration::from_secs(25)));
        self.agenda.at(joins, Happening::SlotMade(node));
        self.agenda.at(joins, Happening::PowerOn(node));
    }
}

//! The task init: a tiny static program that is the parent of one task and PID 1 of its PID namespace.
//!
//! The agent starts one beside every task ([`sys::spawn`]), already in the task's cgroups, and tells it what to do with
//! a [`spec::Job`] on its standard input. It joins the slot's namespaces, makes the task's root, runs the command as the
//! task's user, forwards signals, reaps, writes the output files, and records how the command ended
//! ([`exit_record::ExitRecord`]) before it goes: so a restarted agent learns what happened meanwhile.
//!
//! As `proffer-init pause` it is the program of the slot pod.
//!
//! The library part is what the agent needs of it: the messages between the two, and [`sys`], the only module of the
//! project with unsafe code.

pub mod exit_record;
pub mod spec;
pub mod sys;

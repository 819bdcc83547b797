//! `cargo xtask`: every command that a person needs to work on Proffer.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool prints")]

mod bench;
mod check;
mod cluster_options;
mod crds;
mod demo;
mod down;
mod forward;
mod images;
mod install;
mod node;
mod output;
mod sim;
mod test;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Every command that a person needs to work on Proffer
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Up(up::Arguments),
    Down(down::Arguments),
    Test(test::Arguments),
    Check(check::Arguments),
    Crds(crds::Arguments),
    Images(images::Arguments),
    Bench(bench::Arguments),
    Sim(sim::Arguments),
    Node(node::Arguments),
    Forward(forward::Arguments),
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain of causes in one piece, without a backtrace: errors here say what to do, not where they arose.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Up(arguments) => up::run(arguments),
        Command::Down(arguments) => down::run(arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Crds(arguments) => crds::run(arguments),
        Command::Images(arguments) => images::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Sim(arguments) => sim::run(arguments),
        Command::Node(arguments) => node::run(arguments),
        Command::Forward(arguments) => forward::run(arguments),
    }
}

//! Writes the kinds' YAML into the folder given as the only argument: `cargo xtask crds` calls it.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a command-line tool tells its user what went wrong")]
            {
                eprintln!("error: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("name the folder to write to: generate FOLDER")?);
    std::fs::create_dir_all(&folder)?;
    for (name, yaml) in proffer_crds::manifests()? {
        std::fs::write(folder.join(name), yaml)?;
    }
    Ok(())
}

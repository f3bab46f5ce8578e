//! The `cnsp` binary.

fn main() -> std::process::ExitCode {
    cnsp::cli::main()
}

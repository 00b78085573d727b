//! Against the real thing: OpenSSH's sshd, ssh, ssh-agent and ssh-keygen, each started here.

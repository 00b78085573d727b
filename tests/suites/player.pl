# In a pane: writes what the harness says, and tells what the terminal types back. Its words are lines on a socket.
use strict;
use warnings;
use Socket;

system 'stty raw -echo';
socket(my $harness, PF_UNIX, SOCK_STREAM, 0) or die $!;
connect($harness, sockaddr_un($ARGV[0])) or die $!;

sub write_all {
    my ($to, $bytes) = @_;
    while (length $bytes) {
        my $n = syswrite $to, $bytes;
        exit unless defined $n;
        substr($bytes, 0, $n) = '';
    }
}

sub size { my $size = `stty size`; chomp $size; return $size }

# What was typed until `seen` holds, or two seconds are over.
my $typed = '';
sub await {
    my ($seen) = @_;
    my $until = time + 3;
    until ($seen->()) {
        my $read = '';
        vec($read, fileno(STDIN), 1) = 1;
        return unless time < $until;
        next unless select $read, undef, undef, 0.2;
        sysread(STDIN, $typed, 65536, length $typed) or exit;
    }
}

write_all $harness, 'ready ' . size() . "\n";
while (defined(my $line = readline $harness)) {
    chomp $line;
    my ($verb, @args) = split ' ', $line;
    if ($verb eq 'write') {
        write_all *STDOUT, pack 'H*', $args[0];
    } elsif ($verb eq 'sync') {
        # All before it was taken once it is answered, and is seen once the title is. `asked` of the same were in
        # what was written.
        my ($number, $asked) = @args;
        write_all *STDOUT, "\e]2;mark-$number\e\\\e[5n";
        await(sub { (() = $typed =~ /\e\[0n/g) > $asked });
        $typed =~ s/\e\[0n(?!.*\e\[0n)//s;
        write_all $harness, 'typed ' . unpack('H*', $typed) . "\n";
        $typed = '';
    } elsif ($verb eq 'size') {
        my $until = time + 3;
        select undef, undef, undef, 0.005 while size() ne "@args" and time < $until;
        write_all $harness, 'ready ' . size() . "\n";
    }
}

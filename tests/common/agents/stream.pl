#!/usr/bin/perl
# An agent for tests: prints numbered lines at a steady rate and writes down every byte that it reads.
# Usage: stream.pl RECORD PROGRESS KIB_PER_SECOND. Each line is 98 characters, then its number once more in an
# APC string, which terminals ignore and no repaint repeats: so a raw line can be told from a drawn one.
use strict;
use warnings;

my ($record, $progress, $rate) = @ARGV;
system("stty", "raw", "-echo") == 0 or die "stty";
open(my $out, ">>", $record) or die "$record: $!";
binmode(STDIN);
binmode(STDOUT);
$out->autoflush(1) if $out->can("autoflush");
my $tick = 0.02;
my $per_tick = int($rate * 1024 * $tick / 115) + 1;
my $n = 0;
my $start = time + 1;

sub min {
    return $_[0] < $_[1] ? $_[0] : $_[1];
}

sub put {
    my ($bytes) = @_;
    my $at = 0;
    while ($at < length($bytes)) {
        my $done = syswrite(STDOUT, $bytes, length($bytes) - $at, $at);
        exit 1 unless defined $done;
        $at += $done;
    }
}

while (1) {
    my $chunk = "";
    # Ticks are a little longer than asked for; whole seconds tell by how much.
    my $behind = int((time - $start) * $rate * 1024 / 115) - $n;
    for (1 .. $per_tick + ($behind > 0 ? min($behind, 500) : 0)) {
        $n++;
        my $line = sprintf("L%010d ", $n);
        $line .= "abcdefghij" x 9;
        $chunk .= substr($line, 0, 98) . sprintf("\e_%010d\e\\\r\n", $n);
    }
    put($chunk);
    if (open(my $p, ">", "$progress.new")) {
        print $p $n;
        close($p);
        rename("$progress.new", $progress);
    }
    my $ready = "";
    vec($ready, 0, 1) = 1;
    my $left = $tick;
    while ($left > 0) {
        my $set = $ready;
        (my $found, $left) = select($set, undef, undef, $left);
        last if $found <= 0;
        my $got = sysread(STDIN, my $bytes, 65536);
        exit 0 unless $got;
        syswrite($out, $bytes);
    }
}

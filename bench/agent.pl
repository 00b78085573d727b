# A prompt such as agents draw: a frame around the input, drawn anew at each key, and lines above it once sent.
use strict;
use warnings;
$| = 1;
system('stty raw -echo');
my ($text, $sent) = ('', 0);

sub draw {
    printf "\e[?25l\e[20;1H╭%s╮\e[21;1H│ > %-66s │\e[22;1H╰%s╯\e[23;1H  ? for help\e[21;%dH\e[?25h",
        '─' x 70, $text, '─' x 70, 5 + length $text;
}

print "\e[2J\e[H  An agent\r\n";
draw();
while (sysread STDIN, my $key, 1) {
    if ($key eq "\r") {
        $sent++;
        printf "\e[%d;1H● %s\e[K", 2 + $sent, $text;
        $text = '';
    }
    elsif ($key eq "\x7f") { chop $text }
    elsif ($key eq "\x04") { last }
    elsif ($key ge ' ')    { $text .= $key }
    draw();
}
system('stty sane');

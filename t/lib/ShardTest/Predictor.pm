package ShardTest::Predictor;

# Commands of shard-predictor on files of a temporary folder, and series to be
# put there.

use warnings;
use strict;

use Cwd qw/ abs_path /;
use Exporter qw/ import /;
use File::Basename qw/ dirname /;
use File::Temp qw/ tempdir /;
use IPC::Open3;
use List::Util qw/ sum /;

our @EXPORT = qw/ $top $program $dir run run_with put rhythm noise /;

our $top = abs_path(dirname(__FILE__) . '/../../..');
our $program = ($ENV{SHARD_SAN} ? "$top/build/san" : "$top/build")
               . '/shard-predictor';
our $dir = tempdir(CLEANUP => 1);


# exit status, standard output, standard error

sub run { return run_with('/dev/null', @_) }


sub run_with {
    my ($in, @args) = @_;

    open(my $input, '<', $in) or die "$in: $!\n";
    open(my $output, '+>', "$dir/out") or die "$dir/out: $!\n";
    open(my $errors, '+>', "$dir/err") or die "$dir/err: $!\n";

    my $pid = open3('<&' . fileno($input), '>&' . fileno($output),
                    '>&' . fileno($errors), $program, @args);
    waitpid $pid, 0;
    my $code = $? & 127 ? "signal " . ($? & 127) : $? >> 8;

    return ($code, map { local $/; open(my $f, '<', $_) or die; <$f> // '' }
                   "$dir/out", "$dir/err");
}


sub put {
    my ($path, @text) = @_;

    open(my $f, '>', $path) or die "$path: $!\n";
    binmode $f;
    print $f @text;
    close $f;
}


# value of step "i" of days of so many steps, with weekends

sub rhythm {
    my ($i, $day, $size) = @_;

    my $weekend = int($i / $day) % 7 > 4 ? 0.6 : 1;

    return $size * $weekend
           * (1.2 - cos(2 * 3.14159265358979 * $i / $day));
}


# about normal

sub noise { return sum(map { rand } 1 .. 12) - 6 }


1;

#!/usr/bin/perl

# The demonstration: a day of a fleet's load, compressed, replayed twice
# against real nginx, Redis, nodes, predictor and migrator; first the
# predictor only looks (observe), then it may act.
#
#     make demo [TRACE=file.csv]
#
# Everything is below build/demo; nothing is left running.  Exit status 1 when
# a request failed, a write was lost or reordered, or nothing was moved ahead
# of its overload.

use warnings;
use strict;

use Cwd qw/ abs_path /;
use Fcntl qw/ :flock /;
use File::Basename qw/ dirname /;
use File::Path qw/ make_path /;
use JSON::PP;

use lib abs_path(dirname(__FILE__)) . '/demo';

use DemoReport;
use DemoRun;
use DemoTrace;
use ShardTest;

use constant {
    STEP_MS => 243,             # a step of 5 min takes so long: a day in 70 s
    SAFE => 0.35,               # of what the machine carries
    RATE_MAX => 2500,           # requests/s at the day's peak
    SEED => 20240124,
    TRACE => '../shared/traces/fleet-64.csv',
    GENERATOR_SEED => 10,
};

my $top = ShardTest->top();
my $dir = "$top/build/demo";

$| = 1;
binmode(STDOUT, ':utf8');
my $status = eval { main() };
print STDERR $@ if !defined $status;
exit(defined $status ? $status : 1);


sub main {
    make_path($dir);

    open(my $lock, '>', "$dir/lock") or die "demo: $dir/lock: $!\n";
    flock($lock, LOCK_EX | LOCK_NB)
        or die "demo: another one runs in $dir\n";

    my $trace = trace();
    $trace->place(DemoRun::NODES);

    my ($day, $seconds) = $trace->worst_day();

    printf "trace     %s: %d shards, %d days\n", $trace->{name},
           $trace->shards(), $trace->days();
    printf "day       %d is replayed: %d node-seconds above capacity, were "
           . "nothing moved\n", $day, $seconds;

    my $scale = scale($trace, $day);
    my %runs;

    for my $mode (qw/ observe act /) {
        print $mode eq 'observe'
              ? "\nobserve   the predictor forecasts, nothing is moved\n"
              : "\nact       the same day, the predictor may move shards\n";

        $runs{$mode} = DemoRun->new(mode => $mode, trace => $trace,
                                    day => $day, scale => $scale,
                                    step_ms => STEP_MS, seed => SEED,
                                    dir => "$dir/$mode");
        $runs{$mode}->run();
    }

    return report($trace, %runs);
}


sub trace {
    my $path = $ENV{TRACE};
    ($path) = map { /^TRACE=(.*)/ ? $1 : () } @ARGV if @ARGV;

    return DemoTrace->read_file($path) if defined $path && $path ne '';

    $path = "$top/" . TRACE;
    return DemoTrace->read_file($path) if -r $path;

    print "no trace is here, so one is generated from seed ", GENERATOR_SEED,
          "; make demo TRACE=file.csv takes yours\n";
    return DemoTrace->generate(GENERATOR_SEED);
}


# how much this machine carries through nginx, and so by what to multiply the
# trace

sub scale {
    my ($trace, $day) = @_;

    my $t = DemoRun->environment("$dir/calibrate", 16);

    $t->start_redis();
    $t->start_nodes(DemoRun::NODES);
    $t->ctl('init', '--shards', 16,
            map { my $n = $t->{nodes}{$_};
                  ('--node', "$_=$n->{addr},zone=$n->{zone},capacity=1000") }
            $t->node_names());
    $t->start_nginx();
    wait_for { $t->api('')->{version} >= 1 } 10, 'the table in nginx';

    my ($status, $out, $err) = $t->run($t->program('shardload'), '--url',
                                       $t->url(''), '--calibrate', '--quiet',
                                       '--connections', 32, '--seconds', 4,
                                       '--seed', SEED);
    die "demo: calibration: $err$out\n" if $status;
    $t->stop_all();

    my $carries = decode_json($out)->{rate};
    my $peak = SAFE * $carries;
    $peak = RATE_MAX if $peak > RATE_MAX;

    my $scale = $peak / $trace->peak($day);

    printf "machine   carries %d requests/s; the day's peak is scaled to %d, "
           . "a node's capacity to %d\n", $carries, $peak,
           $trace->{capacity} * $scale;

    return $scale;
}


sub report {
    my ($trace, %runs) = @_;

    my $report = DemoReport->new(%runs, trace => $trace, dir => $dir);

    $report->write_json("$dir/report.json");
    $report->picture("$dir/report.png");

    print "\n", $report->table(), "\n";
    print "  build/demo/report.json\n  build/demo/report.png\n";

    my @bad = $report->complaints();

    print "\ndemo: $_\n" for @bad;
    print "  $_\n" for @{ $report->{report}{failures} };

    return @bad ? 1 : 0;
}

package BenchCpu;

# CPU seconds of the proxy for 10,000 requests under wrk: this module, nginx's
# own "hash ... consistent", HAProxy with a consistent hash.  They take turns
# of 50 ms: each has a wrk of its own, stopped while it is another's turn.  A
# pair is two of one round, and how fast the machine was just then, which
# changes by a third from second to second, is the same for both.  The proxies
# have one processor, wrk and the backends another: what the scheduler moves
# about costs more than a balancer does.
#
#   round   module |##|  |  |##|  |  |##|        requests of each, and its CPU
#           hash   |  |##|  |  |##|  |  |        in its own turns
#           HAProxy|  |  |##|  |  |##|  |
#
# What is done beside requests (counts sent to Redis each second, and the
# like) counts for as long as there are requests: in all turns it would count
# three times.

use warnings;
use strict;

use List::Util qw(max min);
use Time::HiRes qw(sleep);

use BenchServers;

use Exporter qw(import);

our @EXPORT = qw(cpu_seconds cpu_of);

my @balancers = qw(module hash_consistent haproxy);


# "starts" of all of them, because where a process' memory lies makes it a
# little faster or slower for all its life; "rounds" of each, of "seconds" for
# each balancer; "ready" waits for the table

sub cpu_seconds {
    my ($t, %args) = @_;

    my (%seconds, %ratio);

    for my $start (1 .. $args{starts}) {
        my %port = start_all($t, %args);

        for my $round (1 .. $args{rounds}) {
            my %now = one_round($t, \%port, $args{seconds}, $round % 2);

            push @{ $seconds{$_} }, $now{$_} for @balancers;
            push @{ $ratio{$_} }, $now{module} / $now{$_} for qw(hash_consistent haproxy);
            progress(sprintf '%d nodes, start %d, round %d: module %.3f s, hash %.3f s, '
                             . 'HAProxy %.3f s of CPU for 10,000 requests',
                     $args{nodes}, $start, $round, @now{@balancers});
        }

        $t->process("cpu_$_")->stop() for @balancers;
    }

    return { seconds_per_10000 => { map { $_ => round(median(@{ $seconds{$_} }), 4) } @balancers },
             ratio => { map { $_ => round(median(@{ $ratio{$_} }), 3) } keys %ratio },
             ratio_95 => { map { $_ => [ map { round($_, 3) } median_95(@{ $ratio{$_} }) ] } keys %ratio } };
}


# { balancer => port }

sub start_all {
    my ($t, %args) = @_;

    my %port = map {
        ($_ => start_proxy($t, "cpu_$_", balancer => $_, nodes => $args{nodes},
                           router => 'bench-cpu', interval => '1s', zone => '140m'))
    } @balancers;

    $args{ready}->($port{module});
    pin(0, pids($t, "cpu_$_")) for @balancers;
    pin(1, pids($t, 'backends'));
    load($t, $port{$_}, 2) for @balancers;

    return %port;
}


# seconds of CPU for 10,000 requests of each

sub one_round {
    my ($t, $port, $seconds, $backwards) = @_;

    my %pids = map { $_ => [ pids($t, "cpu_$_") ] } @balancers;
    my $got = take_turns($t, $seconds, $port, \%pids,
                         $backwards ? reverse @balancers : @balancers);

    return map { $_ => $got->{$_}{cpu} / $got->{$_}{requests} * 10_000 }
           @balancers;
}


# where there is one processor only it stays as it is

sub pin {
    my ($processor, @pids) = @_;

    return if alone();
    system("taskset -apc $processor $_ >/dev/null 2>&1") for @pids;
}


sub alone { return `nproc` < 2 }


sub round { return sprintf("%.$_[1]f", $_[0]) + 0 }


sub median {
    my @sorted = sort { $a <=> $b } @_;
    return $sorted[$#sorted / 2];
}


# what the median of all such values is between with 95 %, by its rank among
# these (binomial, approximated)

sub median_95 {
    my @sorted = sort { $a <=> $b } @_;
    my $off = 0.98 * sqrt(@sorted);
    my $middle = (@sorted - 1) / 2;

    return @sorted[max(0, int($middle - $off)), min($#sorted, int($middle + $off + 1))];
}


# keys of a script, the same for all; stopped work is no timeout

sub wrk {
    my ($port, $seconds) = @_;

    return (alone() ? () : qw(taskset -c 1), 'wrk', '-t1', '-c32',
            "-d${seconds}s", '--timeout', '60s',
            '-s', ShardTest::top() . '/bench/keys.lua',
            "http://127.0.0.1:$port/");
}


# requests that were answered

sub answered {
    my ($out, $failed) = @_;

    die "bench: wrk: $out\n"
        if $failed || $out =~ /Non-2xx|Socket errors/
           || $out !~ /\b([1-9]\d*) requests in/;

    return $1;
}


sub load {
    my ($t, $port, $seconds) = @_;

    my ($status, $out, $err) = $t->run(wrk($port, $seconds));

    return answered("$out$err", $status);
}


# each of them "seconds" long; { balancer => { requests, cpu } }

sub take_turns {
    my ($t, $seconds, $port, $pids, @balancers) = @_;

    my (%wrk, %got);

    for my $balancer (@balancers) {
        unlink($t->dir() . "/wrk_$balancer.log");
        $wrk{$balancer} = $t->add(
            name => "wrk_$balancer", ends => 1,
            argv => [ wrk($port->{$balancer}, $seconds * @balancers) ]);
        $wrk{$balancer}->signal('STOP');
    }

    while (my @left = grep { !$got{$_}{requests} } @balancers) {
        for my $balancer (@left) {
            my $wrk = $wrk{$balancer};
            my $before = cpu_of(@{ $pids->{$balancer} });

            $wrk->signal('CONT');
            sleep(0.05);
            $wrk->signal('STOP');

            # what is on its way ends before another's turn

            sleep(0.002);
            $got{$balancer}{cpu} += cpu_of(@{ $pids->{$balancer} }) - $before;
            next if $wrk->alive();

            $got{$balancer}{requests} = answered($wrk->log_text(),
                                                 $wrk->ended() ne 'status 0');
        }
    }

    return \%got;
}


sub pids {
    my ($t, $name) = @_;

    my $process = $t->process($name);
    return ($process->pid(), $process->children());
}


# seconds on a CPU so far, of all of them together

sub cpu_of {
    my (@pids) = @_;

    my $ns = 0;

    for my $pid (@pids) {
        for my $file (glob "/proc/$pid/task/*/schedstat") {
            my ($run) = split / /, ShardTest::slurp($file);
            $ns += $run;
        }
    }

    return $ns / 1e9;
}


1;

package BenchTable;

# What the table costs and how fast it is: bytes of the zone for a shard,
# turns of the event loop during a load of a million shards, a commit until
# every worker of four routers has it, a thousand changes a second under
# load, the flush of 10,000 shards' metrics.

use warnings;
use strict;

use File::Path qw(make_path remove_tree);
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use List::Util qw(max sum);
use POSIX ();
use Time::HiRes qw(time sleep);

use BenchServers;
use BenchCpu;

use Exporter qw(import);

our @EXPORT = qw(propagation changes flush_of million);


# a router with the watch of its event loop preloaded

sub watched {
    my ($t, $name, %args) = @_;

    my $dir = $t->dir() . "/turns.$name";
    remove_tree($dir);
    make_path($dir);

    my $port = start_proxy($t, $name, balancer => 'module', router => $name, %args,
        before => [ 'env', "LD_PRELOAD=$t->{build}/bench/loopwatch.so",
                    "LOOPWATCH_DIR=$dir", 'LOOPWATCH_US=' . ($args{us} || 1000) ]);

    return ($port, $dir);
}


# CPU milliseconds of turns since then

sub turns {
    my ($dir, $since) = @_;

    return map { $_->[1] } grep { $_->[0] >= $since }
           map { map { [ split / / ] } split /\n/, ShardTest::slurp($_) } glob "$dir/*";
}


sub shown {
    my ($t, $port) = @_;

    my $got = $t->get("http://127.0.0.1:$port/shards/$t->{keyspace}");
    return $got->{success} ? decode_json($got->{content}) : {};
}


sub version {
    my ($t, $port) = @_;
    return shown($t, $port)->{version} || 0;
}


# a whole load of a million shards, and one more beside the one in use

sub million {
    my ($t) = @_;

    my $began = time();
    my ($port, $dir) = watched($t, 'million', nodes => 3, zone => '128m', interval => '1s');

    ShardTest::wait_for { version($t, $port) } 300, 'a table of a million shards';

    my $load_s = time() - $began;
    my $got = shown($t, $port);

    $began = time();
    my $next = $t->redis()->command('HINCRBY', $t->key('meta'), 'version', 5);
    ShardTest::wait_for { version($t, $port) == $next } 300, 'the same again';

    my $longest = max(0, turns($dir, 0));
    $t->process('million')->stop();

    progress(sprintf '%d shards: %.1f bytes of the zone each, loaded in %.1f s, longest turn %.1f ms of CPU',
             $got->{shards}, 128 * 1024 * 1024 / $got->{shards_max}, $load_s, $longest);

    return { shards => $got->{shards} + 0, load_s => r($load_s, 1),
             zone_bytes_per_shard => r(128 * 1024 * 1024 / $got->{shards_max}, 1),
             longest_turn_ms => r($longest, 2) };
}


sub r { return sprintf("%.$_[1]f", $_[0]) + 0 }


sub quantiles {
    my @ms = sort { $a <=> $b } @_;

    return { p50 => r($ms[$#ms * 0.5], 2), p99 => r($ms[$#ms * 0.99], 2), max => r($ms[-1], 2) };
}


# four routers of two workers, one connection to each worker; from Redis'
# answer to the commit, and from the moment it was sent

sub propagation {
    my ($t, %args) = @_;

    my @ports = map { start_proxy($t, "router$_", balancer => 'module', nodes => 3,
        router => "edge-$_", interval => '1s', main => 'worker_processes 2;') } 1 .. $args{routers};
    my @clients;

    for my $port (@ports) {
        ShardTest::wait_for { version($t, $port) } 60, 'the table in every router';
        push @clients, workers_of($t, $port, 2);
    }

    progress(sprintf '%d commits until each of %d workers of %d routers has them',
             $args{commits}, scalar @clients, scalar @ports);

    my $writer = writer($t);
    my (@ms, @sent);

    for my $n (1 .. $args{commits}) {
        sleep(0.005 + rand(0.03));

        my $sent = time();
        my $version = $writer->($n);
        my $start = time();
        my @left = @clients;

        while (@left) {

            # whoever asks without a pause takes the processors it measures

            sleep(0.0003);
            @left = behind("/shards/$t->{keyspace}", $version, @left);
            die "bench: version $version is not in nginx after 10 s\n" if time() - $start > 10;
        }

        push @ms, 1000 * (time() - $start);
        push @sent, 1000 * (time() - $sent);
    }

    $t->process("router$_")->stop() for 1 .. $args{routers};
    return { %{ quantiles(@ms) }, sent => quantiles(@sent) };
}


sub workers_of {
    my ($t, $port, $n) = @_;

    my %worker;

    for (1 .. 400) {
        my $client = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Proto => 'tcp')
            or die "bench: $!\n";
        my $text = talk($client, "/shards/$t->{keyspace}");
        $worker{$1} ||= $client if $text =~ /"worker":(\d+)/;
        return values %worker if keys %worker == $n;
    }

    die "bench: found only " . keys(%worker) . " workers\n";
}


sub talk {
    my ($client, $path) = @_;

    syswrite($client, "GET $path HTTP/1.1\r\nHost: bench\r\n\r\n") or die "bench: $!\n";
    return answer($client);
}


sub answer {
    my ($client) = @_;

    my $got = '';

    while ($got !~ /\}\n?\z/ && $got !~ /\r\n0\r\n\r\n\z/) {
        sysread($client, $got, 65536, length $got) or die "bench: closed: $got\n";
    }

    return $got;
}


# those of the clients whose worker does not show the version yet; all are
# asked at once

sub behind {
    my ($path, $version, @clients) = @_;

    for my $client (@clients) {
        syswrite($client, "GET $path HTTP/1.1\r\nHost: bench\r\n\r\n") or die "bench: $!\n";
    }

    return grep { answer($_) =~ /"version":(\d+)/ ? $1 < $version : die "bench: no version\n" } @clients;
}


# commits a change of one shard and returns the version it made; a claim of
# the keyspace for long

sub writer {
    my ($t) = @_;

    my $r = ShardTest::Redis->new($t->redis_addr());
    my $token = $r->command('FCALL', 'shard_claim', 2, $t->key('meta'), $t->key('claims'),
                            'keyspace', 'bench', 3_600_000)->[1];
    my @keys = map { $t->key($_) } qw(meta table nodes log claims);
    my %record;

    return sub {
        my ($n) = @_;

        my $id = $n * 7919 % 1000;
        my $record = $record{$id} ||= decode_json($r->command('HGET', $t->key('table'), $id));
        my $op = "bench-$$-$n";

        $record->{epoch}++;
        $record->{primary} = sprintf 'node-%04d', 1 + $n % 3;

        my $got = $r->command('FCALL', 'shard_commit', 6, @keys, $t->key("op:$op"), 'keyspace',
                              $token, 'bench', -1, $op, 'bench', 'shard', $id, encode_json($record));
        die "bench: commit: @$got\n" if $got->[0] ne 'ok';
        return $got->[1];
    };
}


# p99 of requests while so many commits a second change their table, and while
# as many change another one that this router does not have: those who commit
# and Redis take processors from it in either case.  In turns; the ratio is of
# neighbours.

sub changes {
    my ($t, %args) = @_;

    my $port = start_proxy($t, 'changes', balancer => 'module', nodes => 3, router => 'bench-changes',
                           interval => '1s', main => 'worker_processes 1;');
    ShardTest::wait_for { version($t, $port) } 60, 'the table';

    my (@quiet, @elsewhere, @here, @ratio, @rate);

    for my $round (1 .. $args{rounds}) {
        push @quiet, latency($port, $args{seconds});

        for my $keyspace ($round % 2 ? ($args{elsewhere}, $t->{keyspace})
                                     : ($t->{keyspace}, $args{elsewhere}))
        {
            my $p99 = latency_with_commits($t, $port, $keyspace, \@rate, %args);
            push @{ $keyspace eq $args{elsewhere} ? \@elsewhere : \@here }, $p99;
        }

        push @ratio, $here[-1] / $elsewhere[-1];
        progress(sprintf 'round %d: p99 %.2f ms, with %d changes a second of another table %.2f ms, '
                         . 'of this one %.2f ms', $round, $quiet[-1], $rate[-1], $elsewhere[-1], $here[-1]);
    }

    my $version = $t->redis()->command('HGET', $t->key('meta'), 'version');
    ShardTest::wait_for { version($t, $port) == $version } 10, 'the last of the changes';
    $t->process('changes')->stop();

    # latency() dies of a request that failed

    return { rate_per_s => r(BenchCpu::median(@rate), 0), p99_ms_quiet => r(BenchCpu::median(@quiet), 2),
             p99_ms_elsewhere => r(BenchCpu::median(@elsewhere), 2),
             p99_ms_changing => r(BenchCpu::median(@here), 2), p99_ratio => r(BenchCpu::median(@ratio), 3),
             p99_ratio_95 => [ map { r($_, 3) } BenchCpu::median_95(@ratio) ] };
}


sub latency_with_commits {
    my ($t, $port, $keyspace, $rate, %args) = @_;

    local $t->{keyspace} = $keyspace;

    my ($pid, $count) = commits_in_background($t, $args{rate}, $args{seconds} + 1);
    my $p99 = latency($port, $args{seconds});

    waitpid($pid, 0);
    die "bench: the commits failed\n" if $?;
    push @$rate, ShardTest::slurp($count) + 0;

    return $p99;
}


# ms; dies when a request failed

sub latency {
    my ($port, $seconds) = @_;

    my $script = ShardTest::top() . '/bench/keys.lua';
    my $out = `wrk -t1 -c8 -d${seconds}s --latency -s $script http://127.0.0.1:$port/ 2>&1`;

    die "bench: wrk: $out\n" if $? || $out =~ /Non-2xx|Socket errors/;
    my ($value, $unit) = $out =~ /99%\s+([\d.]+)(us|ms|s)/ or die "bench: wrk: $out\n";
    return $value * { us => 0.001, ms => 1, s => 1000 }->{$unit};
}


sub commits_in_background {
    my ($t, $rate, $seconds) = @_;

    my $count = $t->dir() . '/changes.count';
    my $pid = fork();
    die "fork: $!\n" if !defined $pid;
    return ($pid, $count) if $pid;

    my $ok = eval {
        my $commit = writer($t);
        my $start = time();
        my $n = 0;

        while ((my $now = time() - $start) < $seconds) {
            $commit->(++$n) while $n < $now * $rate;
            sleep(0.001);
        }

        ShardTest::spew($count, $n / $seconds);
        1;
    };

    print STDERR $@ if !$ok;
    POSIX::_exit($ok ? 0 : 1);
}


# so many shards are asked for once, then nothing: what the leader's turns
# take until the entry is in Redis

sub flush_of {
    my ($t, $count) = @_;

    my ($port, $dir) = watched($t, 'flush', nodes => 3, interval => '10s', us => 100);
    ShardTest::wait_for { version($t, $port) } 60, 'the table';

    my $stream = $t->key('metrics');
    my $entries = sub { $t->redis()->command('XLEN', $stream) };
    my @cost;

    for (1 .. 4) {
        my $before = $entries->();
        ShardTest::wait_for { $entries->() > $before } 20, 'the entry before';

        ask_all($port, $count);
        my $since = time();
        ShardTest::wait_for { $entries->() > $before + 1 } 20, 'the entry';
        sleep(0.1);

        my ($entry) = @{ $t->redis()->command('XREVRANGE', $stream, '+', '-', 'COUNT', 1) };
        die "bench: the entry is too short\n" if length $entry->[1][1] < 48 * $count * 0.99;
        push @cost, sum(0, turns($dir, $since));
    }

    $t->process('flush')->stop();
    progress(sprintf 'flush of %d shards: %.2f ms of the worker', $count, BenchCpu::median(@cost));

    return { shards => $count, worker_ms => r(BenchCpu::median(@cost), 2) };
}


# one key of each shard of a range keyspace, pipelined

sub ask_all {
    my ($port, $count) = @_;

    my $client = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Proto => 'tcp') or die "bench: $!\n";
    my $width = int(2 ** 48 / $count);

    for (my $n = 0; $n < $count; $n += 50) {
        syswrite($client, join '', map {
            sprintf "HEAD /?k=%u HTTP/1.1\r\nHost: bench\r\n\r\n", $_ * $width << 16
        } $n .. $n + 49);

        for (my ($got, $seen) = ('', 0); $seen < 50; ) {
            sysread($client, $got, 65536, length $got) or die "bench: closed\n";
            $seen = () = $got =~ /\r\n\r\n/g;
        }
    }
}


1;

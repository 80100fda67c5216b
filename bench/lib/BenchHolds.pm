package BenchHolds;

# How long requests wait while a shard moves, for each driver whose nodes hold
# data: two nodes, a router with two workers, one migrator; reads, writes and
# ordered appends through the router all the time, each acknowledged one read
# back at the end.
#
#   ms            the migration's own hold_ms, from the table's "held" to its
#                 "steady": of moves one after another, and of "at_once" at a
#                 time; percentiles by nearest rank
#   phases        where that time goes, by the migration's trail: from the
#                 store of one phase to the store of the next.  "release" is
#                 the rest of ms: its phase goes on when nobody waits any more
#   load          the loader's account: nothing may have failed, or be lost,
#                 reordered or stale
#
# What an acknowledged write needs is on disk: fsync, appendfsync always.

use warnings;
use strict;

use List::Util qw(max);
use POSIX qw(ceil);
use Time::HiRes qw(sleep time);

use ShardTest;
use ShardTest::Postgres;

use BenchServers;

use Exporter qw(import);

our @EXPORT = qw(holds_of);

my @faults = qw(failed lost_writes reordered stale_reads);
my @phases = qw(hold drain final-sync verify commit release);
my %nodes = (http => \&nodes_http, postgres => \&nodes_postgres, redis => \&nodes_redis);


sub phases { return @phases }


# of a driver's load, all together

sub faults {
    my ($load) = @_;

    my $sum = 0;

    $sum += $load->{$_} for @faults;
    return $sum;
}


sub holds_of {
    my (%args) = @_;

    return { map { ($_ => of_driver($_, %args)) } @{ $args{drivers} } };
}


sub of_driver {
    my ($driver, %args) = @_;

    my $t = ShardTest->new(name => "holds-$driver", shards => 16);
    my %pg;

    progress("$driver: $args{alone} moves one after another, $args{together} of "
             . "$args{at_once} at once, $args{rate} requests/s");
    $t->start_redis();

    my $conf = $nodes{$driver}->($t, \%pg);

    $t->seed();
    $t->start_nginx(upstream => "shard_hold max=4096 timeout=10s;\n        keepalive 64;");
    ShardTest::wait_for { $t->api('')->{version} >= 1 } 20, 'the table in nginx';
    migrator($t, $conf, $args{at_once});

    $t->start_load(rate => $args{rate}, options => [ '--keys', $args{keys} ]);
    $t->wait_served(2 * $args{rate});

    # the first move of each shard copies it, as any but those back do

    my %got = (alone => moves($t, $args{alone}, 1),
               together => moves($t, $args{together}, $args{at_once}));
    my $load = $t->end_load();

    $got{load} = { map { ($_ => $load->{$_}) } 'requests', @faults };
    $got{load}{longest_ms} = $load->{latency}{max_ms};
    say_of($driver, \%got);
    progress("$driver: $_") for @{ $load->{notes} };

    $t->stop_all();
    my @problems = $t->problems();
    $_->end() for values %pg;
    die "bench: $driver: " . join("\nbench: ", @problems) . "\n" if @problems;

    return \%got;
}


sub nodes_http {
    my ($t) = @_;

    $t->start_nodes(2);
    return '';
}


sub nodes_redis {
    my ($t) = @_;

    $t->start_data_redis("d$_") for 1, 2;
    $t->start_node("n$_", store => "redis://$t->{data}{qq{d$_}}") for 1, 2;
    return "driver: redis\ndata_redis:\n  nodes:\n"
           . join '', map { "    n$_: redis://$t->{data}{qq{d$_}}\n" } 1, 2;
}


sub nodes_postgres {
    my ($t, $pg) = @_;

    for my $name (qw(n1 n2)) {
        $pg->{$name} = ShardTest::Postgres->start(name => $name, fsync => 'on',
                                                  full_page_writes => 'on');
        $t->start_node($name, store => $pg->{$name}->url());
    }

    return "driver: postgres\npostgres:\n  nodes:\n"
           . join('', map { "    $_: \"" . $pg->{$_}->conninfo() . "\"\n" } sort keys %$pg)
           . "  tables:\n    shardkv.kv: shard\n    shardkv.entry: shard\n";
}


# gates do not matter here: a busy machine is no fault

sub migrator {
    my ($t, $conf, $at_once) = @_;

    $t->start_daemon('shard-migrator', 'm1', <<"CONF");
keyspace: $t->{keyspace}
name: m1
redis:
  addr: @{[ $t->redis_addr() ]}
scan: 50ms
max_migrations: $at_once
max_per_node: @{[ 2 * $at_once ]}
copy:
  catch_up_window: 200ms
gate:
  probes: 5
  probe_interval: 2ms
  latency_floor: 10s
hold:
  timeout: 4s
$conf
CONF
}


# so many, shard by shard in turn, each to the node where it is not

sub moves {
    my ($t, $count, $at_once) = @_;

    my (@done, %busy);
    my $next = 0;

    while (@done < $count) {
        while (keys %busy < $at_once && @done + keys %busy < $count) {
            my $shard = $next++ % $t->{shards};
            my $to = $t->shard_record($shard)->{primary} eq 'n1' ? 'n2' : 'n1';
            $busy{ $t->migrate($shard, $to) } = 1;
        }

        my @ended;

        ShardTest::wait_for {
            @ended = grep { ($t->migration($_)->{phase} || '') =~ /^(done|rolled-back)$/ } keys %busy
        } 60, 'one of ' . join(' ', keys %busy);

        push @done, map { figures($t, $_) } @ended;
        delete @busy{@ended};
    }

    return summary(@done);
}


sub figures {
    my ($t, $id) = @_;

    my $m = $t->migration($id);
    die "bench: $id: $m->{error}\n" if $m->{phase} ne 'done';

    my %at = $m->{trail} =~ /(\S+?)@(\d+)/g;
    my %took = map { ($phases[$_] => $at{ $phases[$_ + 1] } - $at{ $phases[$_] }) } 0 .. $#phases - 1;

    # published in "hold", which is over then

    $took{release} = max(0, $m->{hold_ms} - $at{release} + $at{drain});

    return { ms => $m->{hold_ms} + 0, took => \%took };
}


sub summary {
    my (@moves) = @_;

    my @by = sort { $a->{ms} <=> $b->{ms} } @moves;
    my %phase;

    for my $phase (@phases) {
        my @took = sort { $a <=> $b } map { $_->{took}{$phase} } @moves;
        $phase{$phase} = { p50 => rank(0.5, @took), p99 => rank(0.99, @took),
                           of_longest => $by[-1]{took}{$phase} };
    }

    my @ms = map { $_->{ms} } @by;
    return { moves => scalar @ms, p50 => rank(0.5, @ms), p99 => rank(0.99, @ms),
             longest => $ms[-1], phases => \%phase };
}


sub rank { my ($p, @sorted) = @_; return $sorted[ceil($p * @sorted) - 1] + 0 }


sub say_of {
    my ($driver, $got) = @_;

    for my $how (qw(alone together)) {
        my $h = $got->{$how};

        progress(sprintf '%s, %s: held p50 %d ms, p99 %d, longest %d; p50/p99/of the longest: %s',
                 $driver, $how, @$h{qw(p50 p99 longest)},
                 join ', ', map { "$_ " . join '/', @{ $h->{phases}{$_} }{qw(p50 p99 of_longest)} }
                 @phases);
    }
}


1;

#!/usr/bin/perl

# Strategies queue and copy-on-write as they are carried out: nginx, nodes, a
# migrator that dies in each phase, an operator who wants it back.  Load and
# a ledger of their own see to it that nothing fails, is lost, delivered twice
# or out of order.

use warnings;
use strict;

use HTTP::Tiny;
use JSON::PP;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;
use ShardTest::Ledger;

my $shards = 8;
my ($t, $turn);

queues();
writes();
done_testing();


sub begin {
    my ($strategy) = @_;

    $t = ShardTest->new(shards => $shards, name => "54_$strategy");
    $t->start_redis();
    $t->start_nodes(2);
    $t->ctl('init', '--shards', $shards, '--strategy', $strategy,
            map { ('--node', "$_=$t->{nodes}{$_}{addr},zone=z1,capacity=1000") }
            $t->node_names());
    $t->start_nginx();
    wait_for { $t->api('')->{version} >= 1 } 5, 'the table in nginx';
    $turn = 0;
}


# each move takes another shard in turn, to where it is not

sub next_move {
    my $shard = $turn++ % $shards;
    my $from = $t->shard_record($shard)->{primary};

    return ($shard, $from, $from eq 'n1' ? 'n2' : 'n1');
}


sub start_migrator {
    my ($more, %env) = @_;

    return $t->start_daemon('shard-migrator', 'migrator',
        "keyspace: $t->{keyspace}\nname: m1\nredis:\n    addr: "
        . $t->redis_addr() . "\nscan: 30ms\n"
        . "claim:\n    ttl: 800ms\n    cutover_ttl: 500ms\n"
        . "gate:\n    probes: 3\n    probe_interval: 2ms\n"
        . "    latency_floor: 2s\n    down_after: 1s\n"
        . "hold:\n    timeout: 3s\n$more", env => \%env);
}


# killed -9 at the point, and what the next one makes of it

sub killed_at {
    my ($point, $more, %args) = @_;

    my ($shard, $from, $to) = next_move();
    my $doomed = start_migrator($more, SHARD_MIGRATOR_CRASH => $point);
    my $id = $t->migrate($shard, $to);

    eval { wait_for { !$doomed->alive() } 20, "the end at $point" }
        || die "$@$id is in " . ($t->migration($id)->{trail} || '') . ' '
               . ($t->migration($id)->{error} || '') . "\n";
    $doomed->kill();

    $t->redis()->command('HSET', $t->key("migration:$id"), 'wish', 'rollback')
        if $args{back};
    $args{before}->($shard, $from, $to, $id) if $args{before};

    my $migrator = start_migrator($more);

    $args{meanwhile}->($shard, $from, $to, $id) if $args{meanwhile};
    $t->wait_migrations(40, $id);
    $migrator->stop();

    my $m = $t->migration($id);
    my $rec = $t->shard_record($shard);
    my $name = ($args{back} ? 'back from ' : 'killed at ') . $point;

    # within a hold it depends on how much of its time is left
    my $late = $point =~ /^(freeze|settle|switch|hold|drain|final-sync|verify)/;
    my $want = $args{back} ? qr/^rolled-back$/
             : $late ? qr/^(done|rolled-back)$/ : qr/^done$/;

    like($m->{phase}, $want, "$name: ends $m->{phase}") or diag explain $m;
    is($rec->{primary}, $m->{phase} eq 'done' ? $to : $from,
       "$name: one owner");
    is($rec->{phase} || 'steady', 'steady', "$name: steady");

    my $s = stats($rec->{primary}, $shard);
    is("$s->{role} $s->{epoch} $s->{mode}", "primary $rec->{epoch} whole",
       "$name: that knows it");
    isnt(stats($rec->{primary} eq 'n1' ? 'n2' : 'n1', $shard)->{role},
         'primary', "$name: and only it");

    return $m;
}


sub stats { return node_json($_[0], "/_shard/$_[1]/stats") }

sub node_json {
    my ($node, $path) = @_;

    my $got = HTTP::Tiny->new(timeout => 5)->get(
                  "http://$t->{nodes}{$node}{addr}$path");
    return decode_json($got->{content});
}


sub queues {
    my @keys = map { "queue:\n    drain: 300ms\n    hold: $_\n" }
               qw/ router backend /;

    begin('queue');

    my $end = start_consumers($t);
    $t->start_load(rate => 150, options => [ '--mix', '40,30,30' ]);
    $t->wait_served(100);

    for my $hold (0, 1) {
        killed_at($_, $keys[$hold])
            for $hold ? qw/ consume consume:after release /
                      : qw/ consume:after hold drain final-sync:after commit /;
        killed_at($_, $keys[$hold], back => 1)
            for $hold ? qw/ consume:after drain / : 'consume';
    }

    my $m = killed_at('check', $keys[0]);
    like($m->{trail}, qr/warm-up@\d+ consume@\d+ hold/, 'a queue\'s phases');
    is($m->{driver}, 'http', 'by the http driver');

    $t->load_is_clean($t->end_load(), 'queues');

    my $report = $end->();
    is_deeply($report->{failed}, [],
              "$report->{delivered} messages were delivered once, in order");
    ok($report->{delivered} > 50, '... many');

    whole_stores();
    source_killed($keys[0]);
    $t->finish('queues: logs are clean, nothing crashed');
}


# the former owner is kept level: it must hold exactly the same

sub whole_stores {
    my $migrator = start_migrator('');
    my (@differ, @compared);

    for my $shard (0 .. $shards - 1) {
        my $rec = $t->shard_record($shard);
        my ($owner, $standby) = ($rec->{primary}, @{ $rec->{standbys} || [] });

        next if !$standby;
        push @compared, $shard;
        push @differ, $shard if !eval {
            wait_for {
                my ($a, $b) = map { node_json($_,
                    "/_shard/$shard/digest?parts=64&scan=yes") }
                    $owner, $standby;
                JSON::PP->new()->canonical()->encode($a)
                    eq JSON::PP->new()->canonical()->encode($b)
            } 15, "shard $shard is the same on both";
        };
    }

    $migrator->stop();
    is("@differ", '', 'owners and standbys hold the same, read in full');
    cmp_ok(scalar @compared, '>', 0, scalar(@compared) . ' standbys');
}


# before the hold a dead source ends the move, and has all of it again

sub source_killed {
    my ($conf) = @_;

    my ($shard, $from, $to) = next_move();
    my $before = node_json($from, "/_shard/$shard/digest?parts=64");

    killed_at_on($shard, 'consume', $conf, sub {
        $t->process($from)->kill();
    }, sub {
        my ($id) = @_;
        wait_for { ($t->migration($id)->{phase} || '') =~ /^rolling|^rolled/ }
                 20, 'it goes back';
        $t->process($from)->start();
    });

    is_deeply(node_json($from, "/_shard/$shard/digest?parts=64")->{parts},
              $before->{parts}, 'source killed: it has all of it');
}


sub killed_at_on {
    my ($shard, $point, $conf, $before, $meanwhile) = @_;

    $turn = $shard;
    killed_at($point, $conf, before => $before, back => 1,
              meanwhile => sub { $meanwhile->($_[3]) });
}


# writes, deletions and reads of one value after the other

sub rewrite {
    my $http = HTTP::Tiny->new(timeout => 15);
    my (%value, @failed);
    my $n = 0;

    while (!ledger_ends()) {
        my $key = 'deleted' . int(rand(120));
        my $what = rand();

        if ($what < 0.35) {
            my $got = request($t, $http, 'PUT', "/kv/$key", $key, ++$n);
            push @failed, "PUT $key: $got->{status}" if $got->{status} != 204;
            $value{$key} = $n;

        } elsif ($what < 0.5) {
            my $got = request($t, $http, 'DELETE', "/kv/$key", $key);

            # one that is not there may be told so or not
            push @failed, "DELETE $key: $got->{status}"
                if $got->{status} != 204
                   && !($got->{status} == 404 && !defined $value{$key});
            delete $value{$key};

        } else {
            push @failed, reread($http, $key, $value{$key});
        }

        die "too much failed: @failed[0 .. 9]\n" if @failed > 50;
    }

    push @failed, map { reread($http, "deleted$_", $value{"deleted$_"}) }
                  0 .. 119;

    return { failed => \@failed, written => $n };
}


sub reread {
    my ($http, $key, $want) = @_;

    my $got = request($t, $http, 'GET', "/kv/$key", $key);

    return if defined $want ? $got->{status} == 200 && $got->{content} eq $want
                            : $got->{status} =~ /^(404|410)$/;
    return "GET $key: $got->{status} $got->{content}, not "
           . (defined $want ? $want : 'there');
}


sub writes {
    begin('copy-on-write');

    my $end = start_ledger($t, \&rewrite);
    $t->start_load(rate => 200, options => [ '--mix', '55,45,0' ]);
    $t->wait_served(200);

    killed_at($_, '')
        for qw/ freeze settle switch switch:after fill fill:after
                final-sync:after commit /;
    killed_at($_, '', back => 1)
        for qw/ settle switch:after fill fill:after final-sync:after /;

    my $m = killed_at('claimed', '');
    like($m->{trail}, qr/check@\d+ warm-up@\d+ freeze@\d+ settle@\d+ (?#
         )switch@\d+ fill@\d+ hold/,
         'the phases of copy-on-write');
    is($t->shard_record($m->{shard})->{epoch}, $m->{epoch} + 2,
       'two epochs on');

    $t->load_is_clean($t->end_load(), 'copy-on-write');

    my $report = $end->();
    is_deeply($report->{failed}, [],
              "$report->{written} writes: none is lost or comes back");

    whole_stores();
    target_killed();
    queue_refused();
    $t->finish('copy-on-write: logs are clean, nothing crashed');
}


# what it alone has is waited for

sub target_killed {
    my ($shard, $from, $to) = next_move();
    my $http = HTTP::Tiny->new(timeout => 15);
    my ($key) = grep { shard_of($_) == $shard } map { "late$_" } 1 .. 500;
    my ($old) = grep { shard_of($_) == $shard && $_ ne $key }
                map { "late$_" } 1 .. 500;

    request($t, $http, 'PUT', "/kv/$_", $_, 'before') for $key, $old;

    killed_at_on($shard, 'fill', '', sub {
        is(request($t, $http, 'PUT', "/kv/$key", $key, 'after')->{status}, 204,
           'target killed: written there');
        is(request($t, $http, 'DELETE', "/kv/$old", $old)->{status}, 204,
           '... and deleted');
        is(request($t, $http, 'GET', "/kv/$old", $old)->{status}, 410,
           '... which the source does not know');
        $t->process($to)->kill();
    }, sub {
        my ($id) = @_;
        wait_for { ($t->migration($id)->{phase} || '') eq 'rolling-back' } 20,
                 'it goes back';
        $t->process($to)->start();
    });

    is(request($t, $http, 'GET', "/kv/$key", $key)->{content}, 'after',
       'target killed: its write is there');
    is(request($t, $http, 'GET', "/kv/$old", $old)->{status}, 404,
       '... and its deletion');
}


sub shard_of {
    my ($key) = @_;
    return $t->ctl('locate', $key)->{shard};
}


sub queue_refused {
    my ($shard, $from, $to) = next_move();
    my $http = HTTP::Tiny->new(timeout => 15);
    my ($key) = grep { shard_of($_) == $shard } map { "q$_" } 1 .. 500;

    request($t, $http, 'POST', "/queue/$key", $key, 'x');

    my $migrator = start_migrator('');
    my $id = $t->migrate($shard, $to);

    $t->wait_migrations(20, $id);
    like($t->migration($id)->{error}, qr/1 entries in queues/,
         'a shard with queues is refused');
    $migrator->stop();
}

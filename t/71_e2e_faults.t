#!/usr/bin/perl

# The same under faults: nginx reloads, Redis killed and back, the migrator
# killed -9 at the entry into each phase and with each phase's work done, a
# worker killed -9.  Only requests on the killed worker's connections may fail.

use warnings;
use strict;

use Test::More;

use ShardTest;

my @phases = qw/ planned claimed check copy catch-up warm-up hold drain
                 final-sync verify commit release standby /;
my $shards = 32;
my $t = ShardTest->new(shards => $shards);

$t->start_redis();
$t->start_nodes(3);
$t->ctl('init', '--shards', $shards,
        map { ('--node', "$_=$t->{nodes}{$_}{addr},"
               . "zone=$t->{nodes}{$_}{zone},capacity=1000") }
        $t->node_names());
$t->start_nginx();
wait_for { $t->api('')->{version} >= 1 } 5, 'the table in nginx';

reloads();
redis_killed();
migrator_killed();
worker_killed();

$t->finish();
done_testing();


# where a shard is not; each move of the test takes another shard in turn

my $turn;

sub somewhere_else {
    my $shard = $turn++ % $shards;
    my $now = $t->shard_record($shard)->{primary};
    my ($to) = grep { $_ ne $now } sort { rand() <=> 0.5 } $t->node_names();

    return ($shard, $to);
}


# a hold of up to 3 s: one who dies in a cutover can be followed within it

sub start_migrator {
    my (%env) = @_;

    return $t->start_daemon('shard-migrator', 'migrator',
                            $t->migrator_conf('m1', "hold:\n    timeout: 3s\n"),
                            env => \%env);
}


sub reloads {
    my $migrator = start_migrator();

    $t->start_load(rate => 400, prefix => 'reload');
    $t->wait_served(200);

    for my $round (1 .. 3) {
        my @ids = map { $t->migrate(somewhere_else()) } 1 .. 3;

        $t->reload();
        is_deeply([ $t->wait_migrations(30, @ids) ], [],
                  "reload $round amid moves: all end in done");
    }

    $t->wait_served(100);
    $t->load_is_clean($t->end_load(), 'reloads');
    $migrator->stop();
}


# moves go on, or back, when Redis is there again; requests never notice

sub redis_killed {
    my $migrator = start_migrator();

    $t->start_load(rate => 400, prefix => 'redis');
    $t->wait_served(200);

    for my $round (1 .. 3) {
        my @ids = map { $t->migrate(somewhere_else()) } 1 .. 3;

        $t->process('redis')->kill();
        $t->wait_served(200);
        $t->process('redis')->start();
        $t->redis()->close();

        my @undone = eval { $t->wait_migrations(40, @ids) };
        is($@, '', "Redis killed and back $round: all moves end");
        note("taken back: " . $t->migration($_)->{error}) for @undone;
    }

    wait_for { $t->api('')->{version} == $t->version() } 10,
        'the router has caught up';
    $t->wait_served(100);
    $t->load_is_clean($t->end_load(), 'Redis killed');
    $migrator->stop();
}


sub migrator_killed {
    $t->start_load(rate => 300, prefix => 'phase');
    $t->wait_served(100);

    for my $point (map { ($_, "$_:after") } @phases) {
        my $migrator = start_migrator(SHARD_MIGRATOR_CRASH => $point);
        my ($shard, $to) = somewhere_else();
        my $id = $t->migrate($shard, $to);

        my $died = eval {
            wait_for {
                !$migrator->alive() || ($t->migration($id)->{phase} || '')
                                       =~ /^(done|rolled-back)$/
            } 15, "the crash at $point";
            !$migrator->alive();
        };

        # some phases have no work that could be done before the next

        note("not killed at $point") if !$died;
        $migrator->kill();
        $migrator = start_migrator();

        my @undone = eval { $t->wait_migrations(20, $id) };
        my $error = $@;
        my $owner = $t->shard_record($shard)->{primary};

        # requests are held no longer than the configured time, so one who
        # comes late to a cutover may have to take it back

        my $late = @undone && $point =~ /^(hold|drain|final-sync|verify)/;

        is($error . ($owner eq $to ? 'moved' : 'stayed'),
           $late ? 'stayed' : 'moved',
           "killed at $point: the next one " . ($late ? 'takes it back'
                                                      : 'finishes the move'))
            or diag(explain($t->migration($id)));
        $migrator->stop();
    }

    $t->load_is_clean($t->end_load(), 'migrator killed');
}


sub worker_killed {
    my $migrator = start_migrator();

    $t->allow(qr/worker process \d+ exited on signal 9/);
    $t->start_load(rate => 400, prefix => 'worker',
                   options => [ '--no-resend' ]);
    $t->wait_served(200);

    for my $round (1 .. 3) {
        my @ids = map { $t->migrate(somewhere_else()) } 1 .. 2;
        my @workers = $t->process('nginx')->children();

        kill('KILL', $workers[ rand @workers ]);
        wait_for { $t->process('nginx')->children() >= 2 } 10, 'a new worker';

        my @undone = eval { $t->wait_migrations(30, @ids) };
        is($@, '', "worker killed $round: all moves end");
        note("taken back: " . $t->migration($_)->{error}) for @undone;
        $t->wait_served(100);
    }

    my $report = $t->end_load();
    my $closed = $report->{answers}{closed};

    note("$closed of $report->{requests} requests went with three workers");
    is($report->{failed}, $closed,
       'only requests on connections of the killed workers fail');
    cmp_ok($closed, '<=', 150, 'no more than those');
    is($report->{$_}, 0, "worker killed: no $_")
        for qw/ lost_writes reordered stale_reads unverified /;
    diag(join "\n", @{ $report->{notes} })
        if $report->{lost_writes} || $report->{reordered}
           || $report->{failed} != $closed;

    $migrator->stop();
}

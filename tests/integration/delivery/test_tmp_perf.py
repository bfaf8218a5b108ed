import asyncio, time, resource
import pytest
from tests.support.delivery import World
from tests.support.hosting import hosted

@pytest.mark.parametrize("at_once", [8, 16, 32])
async def test_perf(world: World, at_once) -> None:
    ms = [await world.wanted(f"a{i}@example.org", name="Ada", response_id=f"r{i}") for i in range(1000)]
    await world.want(*ms)
    c=time.process_time(); a=time.perf_counter()
    async with hosted(world.delivery(mails_at_once=at_once)):
        while (await world.sandbox.counts())["mails"] < 1000: await asyncio.sleep(0.1)
        t=time.perf_counter()-a; cpu=time.process_time()-c
        await world.until(lambda n: sum(d.state=="delivered" for d in n.values())==1000)
        t2=time.perf_counter()-a
    print("RESULT",at_once,"sent",t,"cpu",cpu,"all delivered",t2,"cpu",time.process_time()-c, await world.sandbox.counts())

"""The one entry: ``streamlit run app.py`` serves every page.

Streamlit runs this file twice over: once without a script context, to find the ASGI application, and then at every
interaction, to draw the frame. Without the guard each rerun would build a new application.
"""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from esmviz.ui import frame

if get_script_run_ctx() is None:
    from esmviz.ui import server

    app = st.App(
        __file__, **server.options()
    )  # found by this very call: Streamlit reads the file, it does not run it
else:
    st.set_page_config(page_title="esmviz", page_icon=str(frame.ICON), layout="wide")
    st.navigation([page.as_streamlit() for page in frame.PAGES], position="top").run()

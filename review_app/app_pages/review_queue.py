"""The queue: the sidebar says which edits, and the component shows and decides them."""

from review_app import viewing, workspace
from review_app.filtering import chosen_filter

viewing.mount(viewing.VIEWER, chosen_filter(workspace.desk(), workspace.person()))
